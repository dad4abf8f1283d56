-- name: lock_schema()$
-- One process migrates at a time; held until the connection closes.
SELECT pg_advisory_lock(hashtextextended('tidings.migrate', 0));

-- name: make_schema_migrations()!
-- Where the applied migrations are remembered.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: schema_version()$
-- The number of the newest migration applied; 0 on a new database.
SELECT coalesce(max(version), 0) FROM schema_migrations;

-- name: remember_migration(version, name)!
-- A migration that was applied in this transaction.
INSERT INTO schema_migrations (version, name) VALUES (:version, :name);
