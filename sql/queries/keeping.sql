-- name: make_partitions(from_time, until_time)
-- Makes the missing partitions for a span of time; answers their names.
SELECT * FROM make_partitions(:from_time::timestamptz, :until_time::timestamptz);

-- name: outlived_partitions(moment)
-- The partitions that hold nothing younger than the moment, with the commands that take them out of use and drop them.
-- A command cannot take a name as a parameter, so it is composed here.
SELECT
    parent.relname AS parent,
    child.relname AS name,
    format('ALTER TABLE %I DETACH PARTITION %I CONCURRENTLY', parent.relname, child.relname) AS detach,
    format('DROP TABLE %I', child.relname) AS drop
FROM pg_inherits
JOIN pg_class AS parent ON parent.oid = inhparent
JOIN pg_class AS child ON child.oid = inhrelid
WHERE
    parent.relname IN ('messages', 'attempts')
    AND parent.relnamespace = current_schema()::regnamespace
    AND to_date(right(child.relname, 8), 'YYYYMMDD')
    + CASE parent.relname WHEN 'messages' THEN 7 ELSE 1 END
    <= (:moment::timestamptz AT TIME ZONE 'UTC')::date
ORDER BY child.relname;

-- name: has_unfinished(first_day)$
-- Whether a partition of messages, given by its first day, still holds one that is not sent or cancelled.
SELECT EXISTS (
    SELECT FROM messages
    WHERE
        status IN ('pending', 'failed', 'processing')
        AND id >= uuid_from_time(to_date(:first_day, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
        AND id < uuid_from_time((to_date(:first_day, 'YYYYMMDD') + 7)::timestamp AT TIME ZONE 'UTC')
);

-- name: forget_idempotency_keys(moment)!
-- Keys older than a moment may be used anew.
DELETE FROM idempotency_keys WHERE created_at < :moment;

-- name: try_lead()$
-- Whether this connection is now the one that reconciles and keeps partitions; held until it closes.
SELECT pg_try_advisory_lock(hashtextextended('tidings.reconciler', 0));

-- name: ping()$
-- Whether the database answers.
SELECT 1;
