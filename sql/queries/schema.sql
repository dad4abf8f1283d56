-- name: try_lock_schema()$
-- Whether it is this connection that migrates; held until it closes. Nobody waits inside Postgres: an index that is built
-- concurrently waits for every statement that was there before, and would wait for one that waits for it.
SELECT pg_try_advisory_lock(hashtextextended('tidings.migrate', 0));

-- name: make_schema_migrations()!
-- Where the applied migrations are recorded.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: schema_version()$
-- The number of the newest migration applied; 0 on a new database.
SELECT coalesce(max(version), 0) FROM schema_migrations;

-- name: oldest_program()$
-- How many migrations a program must know to run; 0: whatever it knows.
SELECT coalesce(max(oldest), 0) FROM schema_migrations;

-- name: record_migration(version, name)!
-- A migration that was applied in this transaction.
INSERT INTO schema_migrations (version, name) VALUES (:version, :name);

-- name: record_oldest(version, oldest)!
-- A migration after which no program may run that knows fewer than so many.
UPDATE schema_migrations SET oldest = :oldest WHERE version = :version;

-- name: longest_transactions()
-- Who may hold a table: the transactions that have been open for longest, each with its process.
SELECT pid, application_name, state, (now() - xact_start)::text AS open_for
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
ORDER BY xact_start
LIMIT 3;

-- name: is_partitioned(table)$
-- Whether a table has partitions.
SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:table);

-- name: partitions_without_index(table, index)
-- The partitions of a table that lack their part of an index, each with the name of that part.
SELECT child.relname AS partition, child.relname || '_' || :index::text AS part
FROM pg_inherits AS family
JOIN pg_class AS child ON child.oid = family.inhrelid
WHERE
    family.inhparent = to_regclass(:table)
    AND NOT EXISTS (
        SELECT FROM pg_inherits AS attached
        JOIN pg_index AS part ON part.indexrelid = attached.inhrelid
        WHERE attached.inhparent = to_regclass(:index) AND part.indrelid = child.oid
    )
ORDER BY child.relname;

-- name: setting(name)$
-- How a setting of the session is.
SELECT current_setting(:name, true);

-- name: setting_of_role(name, value)$
-- The statement that gives a setting to every session of this role in this database.
SELECT format('ALTER ROLE %I IN DATABASE %I SET %I = %L', current_user, current_database(), :name::text, :value::text);
