-- name: list_queues()
-- All queues, by name.
SELECT {queue_columns} FROM queues ORDER BY name;

-- name: get_queue(name)^
-- One queue.
SELECT {queue_columns} FROM queues WHERE name = :name;

-- name: put_queue(name, active, interval_seconds, batch_size)^
-- Makes a queue or changes its pace, and tells the producers; without a word on active it stays on or off.
WITH put AS (
    INSERT INTO queues (name, active, interval_seconds, batch_size, paced)
    VALUES (:name, coalesce(:active::boolean, true), :interval_seconds, :batch_size, true)
    ON CONFLICT (name) DO UPDATE SET
        active = coalesce(:active, queues.active),
        paced = true,
        interval_seconds = excluded.interval_seconds,
        batch_size = excluded.batch_size,
        credit = least(queues.credit, excluded.batch_size)
    RETURNING {queue_columns}, xmax = 0 AS created
),
told AS MATERIALIZED (SELECT pg_notify('tidings_queues', name) FROM put)
SELECT put.* FROM put LEFT JOIN told ON true;

-- name: pace_queue_at_first(interval_seconds, batch_size, name)$
-- Paces a queue that nobody has given a pace yet; answers its name where it was so.
WITH changed AS (
    UPDATE queues SET interval_seconds = :interval_seconds, batch_size = :batch_size, paced = true
    WHERE name = :name AND NOT paced
    RETURNING name
),
told AS MATERIALIZED (SELECT pg_notify('tidings_queues', name) FROM changed)
SELECT changed.name FROM changed LEFT JOIN told ON true;

-- name: set_queue_active(name, active)^
-- Starts or stops a queue and tells the producers.
WITH previous AS (
    SELECT name, active FROM queues WHERE name = :name FOR UPDATE
),
changed AS (
    UPDATE queues SET active = :active
    FROM previous
    WHERE queues.name = previous.name
    RETURNING
        queues.name, queues.active, interval_seconds, batch_size, last_claimed_at,
        previous.active <> queues.active AS changed
),
told AS MATERIALIZED (SELECT pg_notify('tidings_queues', name) FROM changed)
SELECT changed.* FROM changed LEFT JOIN told ON true;

-- name: paced_ticks()
-- The paced queues that may be claimed from now, locked until the claim commits, each with what it may still take in
-- its interval (null: all that was due when the interval began). A new interval keeps the rhythm of the last where
-- it is less than a tenth of itself, and less than a second, late.
WITH ready AS (
    SELECT
        name, batch_size, credit, last_claimed_at,
        make_interval(secs => interval_seconds) AS span,
        last_claimed_at IS NULL OR last_claimed_at + make_interval(secs => interval_seconds) <= now() AS fresh
    FROM queues
    WHERE
        active
        AND interval_seconds > 0
        AND (
            last_claimed_at IS NULL
            OR last_claimed_at + make_interval(secs => interval_seconds) <= now()
            OR batch_size IS NULL
            OR credit > 0
        )
    ORDER BY name
    FOR UPDATE SKIP LOCKED
)
SELECT
    name,
    CASE WHEN fresh THEN batch_size ELSE credit END AS allowance,
    CASE
        WHEN NOT fresh THEN last_claimed_at
        WHEN now() - (last_claimed_at + span) < least(interval '1 second', span / 10) THEN last_claimed_at + span
        ELSE now()
    END AS began_at,
    CASE WHEN batch_size IS NULL AND NOT fresh THEN last_claimed_at END AS cutoff
FROM ready;

-- name: spend_tick(began_at, credit, name)!
-- Remembers what a paced queue took in its interval.
UPDATE queues SET last_claimed_at = :began_at, credit = :credit WHERE name = :name;

-- name: queue_depths(limit)
-- What each queue holds: due, waiting for its time, on its way. Nothing is counted beyond the limit, in each lane
-- (a queue at a priority), so that millions of waiting rows cost no more than that.
WITH processing AS MATERIALIZED (
    SELECT queue, count(*) AS messages FROM messages WHERE status = 'processing' GROUP BY queue
)
SELECT
    queues.name AS queue,
    (
        SELECT count(*)
        FROM unnest(ARRAY[0, 1, 2]::smallint[]) AS lane (priority)
        CROSS JOIN LATERAL (
            SELECT FROM messages
            WHERE
                status IN ('pending', 'failed') AND queue = queues.name AND priority = lane.priority AND due_at <= now()
            LIMIT :limit
        ) AS counted
    ) AS due,
    (
        SELECT count(*)
        FROM unnest(ARRAY[0, 1, 2]::smallint[]) AS lane (priority)
        CROSS JOIN LATERAL (
            SELECT FROM messages
            WHERE
                status IN ('pending', 'failed') AND queue = queues.name AND priority = lane.priority AND due_at > now()
            LIMIT :limit
        ) AS counted
    ) AS later,
    coalesce((SELECT processing.messages FROM processing WHERE processing.queue = queues.name), 0) AS processing
FROM queues
ORDER BY queues.name;
