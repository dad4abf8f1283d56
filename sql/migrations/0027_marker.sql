-- Which Postgres this is, and how far it has come. By it a promoted standby and a restored backup are told from a server
-- that merely went on: see the table in docs/reliability.md.
CREATE TABLE store_marker (
    only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    installation uuid NOT NULL DEFAULT gen_random_uuid(),
    number       bigint NOT NULL DEFAULT 0,
    written_at   timestamptz,
    identity     text,
    timeline     text,
    changed_at   timestamptz,
    paused_at    timestamptz,
    paused_why   text
);
COMMENT ON COLUMN store_marker.number IS 'one more with each write, every 5 s; Redis has a copy';
COMMENT ON COLUMN store_marker.identity IS 'store_identity() when it was written; null: no producer has run yet';
COMMENT ON COLUMN store_marker.timeline IS 'store_timeline() then';
COMMENT ON COLUMN store_marker.changed_at IS
    'when this was last found to be another server, or an older state; what was due by then may have been delivered';
COMMENT ON COLUMN store_marker.paused_at IS 'since when nothing is claimed; null: it is';

INSERT INTO store_marker DEFAULT VALUES;

-- Changes with each promotion. Null where a managed Postgres refuses to say.
CREATE FUNCTION store_timeline() RETURNS text
STABLE
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- Another one in a database that a dump was restored into: the cluster, the database and the table are new in it, or at
-- least the last of them. Without the cluster where a managed Postgres refuses to say.
CREATE FUNCTION store_identity() RETURNS text
STABLE
LANGUAGE plpgsql
AS $$
DECLARE
    cluster text;
BEGIN
    BEGIN
        SELECT system_identifier INTO cluster FROM pg_control_system();
    EXCEPTION WHEN OTHERS THEN
        cluster := '';
    END;
    RETURN concat_ws(
        '/', cluster, (SELECT oid FROM pg_database WHERE datname = current_database()), 'store_marker'::regclass::oid
    );
END
$$;
