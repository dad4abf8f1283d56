-- The oldest program that may run: how many migrations it must know. A migration that only adds leaves it null; one that
-- takes something away that older programs use says it in a line `-- oldest: N` (sql/migrate.py).

ALTER TABLE schema_migrations ADD COLUMN oldest integer;
