-- name: make_partitions(from_time, until_time)
-- Makes the missing partitions for a span of time; returns their names.
SELECT * FROM make_partitions(:from_time::timestamptz, :until_time::timestamptz);

-- name: outlived_partitions(parent, moment, most, most_bytes, least_gain)
-- What holds nothing younger than the moment, with the commands that take it out of use and drop it: partitions, and
-- tables that a crash left behind after their DETACH (no partition any more, but with a partition's name and none but a
-- partition's columns; a migration may have given the others more since).
-- A partition whose DETACH was interrupted is always among them and comes first: nothing else can be detached before.
-- What was detached comes next: a DROP is all that it needs.
-- A command cannot take a name as a parameter, so it is composed here. `needed` asks whether something in it is
-- unfinished, of the two partial indexes, by the columns that they begin with: asked for the status alone, the planner
-- may read every row by its id. What belongs to mails is needed as long as their messages are there. `shrink` leaves in
-- such a partition what is still needed of it.
SELECT
    child.relname AS name,
    inhparent IS NOT NULL AS attached,
    coalesce(inhdetachpending, false) AS pending,
    age.outlived,
    format(
        'ALTER TABLE %I DETACH PARTITION %I %s', parent.relname, child.relname,
        CASE WHEN inhdetachpending THEN 'FINALIZE' ELSE 'CONCURRENTLY' END
    ) AS detach,
    CASE parent.relname
        WHEN 'messages' THEN format(
            'SELECT EXISTS (SELECT FROM %1$I WHERE status IN (''pending'', ''failed'') AND queue >= '''')'
            ' OR EXISTS (SELECT FROM %1$I WHERE status = ''processing'' AND batch_id IS NOT NULL)',
            child.relname
        )
        WHEN 'mail_parts' THEN format('SELECT to_regclass(%L) IS NOT NULL', 'messages_' || right(child.relname, 8))
        ELSE 'SELECT false'
    END AS needed,
    format(
        'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent.relname, child.relname,
        uuid_from_time(first_day AT TIME ZONE 'UTC'), uuid_from_time((first_day + life.days) AT TIME ZONE 'UTC')
    ) AS attach,
    format('DROP TABLE %I', child.relname) AS drop,
    CASE parent.relname
        WHEN 'messages' THEN format(
            'SELECT keep_waiting(%L, %s, %s, %s)', child.relname, :most::integer, :most_bytes::bigint, :least_gain::bigint
        )
        WHEN 'mail_parts' THEN format(
            'SELECT keep_parts(%L, %L, %s, %s)',
            child.relname, 'messages_' || right(child.relname, 8), :most_bytes::bigint, :least_gain::bigint
        )
    END AS shrink
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
    SELECT
        to_date(right(child.relname, 8), 'YYYYMMDD')::timestamp AS first_day,
        right(child.relname, 8) <= to_char(:moment::timestamptz AT TIME ZONE 'UTC' - life.days, 'YYYYMMDD') AS outlived
) AS age
WHERE
    life.parent = :parent::text
    AND (
        coalesce(inhdetachpending, false)
        OR (
            age.outlived
            AND (
                inhparent IS NOT NULL
                OR NOT EXISTS (
                    SELECT attname, atttypid FROM pg_attribute
                    WHERE attrelid = child.oid AND attnum > 0 AND NOT attisdropped
                    EXCEPT
                    SELECT attname, atttypid FROM pg_attribute WHERE attrelid = parent.oid AND attnum > 0
                )
            )
        )
    )
ORDER BY coalesce(inhdetachpending, false) DESC, inhparent IS NOT NULL, child.relname;

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

-- name: end_if_idle(timeout)!
-- Ends the session when nothing is asked in this transaction for so long.
SELECT set_config('idle_in_transaction_session_timeout', :timeout, true);

-- name: notify(channel)!
-- For whoever tries whether it hears.
SELECT pg_notify(:channel, '');

-- name: ping()^
-- Whether the database answers at all, and what time it is there.
SELECT clock_timestamp() AS seen_at;
