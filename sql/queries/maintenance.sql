-- name: make_partitions(from_time, until_time)
-- Makes the missing partitions for a span of time; returns their names.
SELECT * FROM make_partitions(:from_time::timestamptz, :until_time::timestamptz);

-- name: outlived_partitions(moment)
-- What holds nothing younger than the moment, with the commands that take it out of use and drop it: partitions, and
-- tables that a crash left behind after their DETACH (no partition any more, but with a partition's name and columns).
-- A partition whose DETACH was interrupted is always among them and comes first: nothing else can be detached before.
-- A command cannot take a name as a parameter, so it is composed here.
SELECT
    parent.relname AS parent,
    child.relname AS name,
    inhparent IS NOT NULL AS attached,
    age.outlived,
    format(
        'ALTER TABLE %I DETACH PARTITION %I %s', parent.relname, child.relname,
        CASE WHEN inhdetachpending THEN 'FINALIZE' ELSE 'CONCURRENTLY' END
    ) AS detach,
    format('DROP TABLE %I', child.relname) AS drop
FROM (
    VALUES ('messages', interval '7 days'), ('mail_parts', interval '7 days'), ('attempts', interval '1 day')
) AS life (parent, days)
JOIN pg_class AS parent ON parent.oid = to_regclass(life.parent)
JOIN pg_class AS child
    ON child.relnamespace = parent.relnamespace
    AND child.relkind = 'r'
    AND child.relname ~ ('^' || life.parent || '_[0-9]{8}$')
LEFT JOIN pg_inherits ON inhrelid = child.oid AND inhparent = parent.oid
CROSS JOIN LATERAL (
    SELECT right(child.relname, 8) <= to_char(:moment::timestamptz AT TIME ZONE 'UTC' - life.days, 'YYYYMMDD')
) AS age (outlived)
WHERE
    coalesce(inhdetachpending, false)
    OR (
        age.outlived
        AND (
            inhparent IS NOT NULL
            OR NOT EXISTS (
                SELECT attname, atttypid FROM pg_attribute WHERE attrelid = parent.oid AND attnum > 0
                EXCEPT
                SELECT attname, atttypid FROM pg_attribute WHERE attrelid = child.oid AND attnum > 0
            )
        )
    )
ORDER BY inhdetachpending DESC NULLS LAST, child.relname;

-- name: has_unfinished(first_day)$
-- Whether a partition of messages, given by its first day, still holds one that is not sent or cancelled.
SELECT EXISTS (
    SELECT FROM messages
    WHERE
        status IN ('pending', 'failed', 'processing')
        AND id >= uuid_from_time(to_date(:first_day, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
        AND id < uuid_from_time((to_date(:first_day, 'YYYYMMDD') + 7)::timestamp AT TIME ZONE 'UTC')
);

-- name: forget_idempotency_keys(moment, limit)$
-- Forgets up to a limit of the keys that are older than a moment; returns the count.
WITH forgotten AS (
    DELETE FROM idempotency_keys
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency_keys WHERE created_at < :moment LIMIT :limit))
    RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: try_lead()$
-- Whether this connection now belongs to the producer that leads; held until it closes.
SELECT pg_try_advisory_lock({lead});

-- name: ping()$
-- Whether the database answers at all.
SELECT 1;
