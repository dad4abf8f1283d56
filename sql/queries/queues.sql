-- name: list_queues()
-- All queues, by name.
SELECT {queue_columns} FROM queues ORDER BY name;

-- name: get_queue(name)^
-- One queue.
SELECT {queue_columns} FROM queues WHERE name = :name;

-- name: put_queue(name, active, interval_seconds, batch_size, keep_retry, retry)^
-- Makes a queue or changes its pace; where active is null it stays on or off, and keep_retry leaves its retry policy.
INSERT INTO queues (name, active, interval_seconds, batch_size, retry, paced)
VALUES (:name, coalesce(:active::boolean, true), :interval_seconds, :batch_size, :retry::jsonb, true)
ON CONFLICT (name) DO UPDATE SET
    active = coalesce(:active, queues.active),
    paced = true,
    interval_seconds = excluded.interval_seconds,
    batch_size = excluded.batch_size,
    retry = CASE WHEN :keep_retry::boolean THEN queues.retry ELSE excluded.retry END,
    credit = least(queues.credit, excluded.batch_size)
RETURNING {queue_columns}, xmax = 0 AS created;

-- name: pace_queue_at_first(interval_seconds, per_interval, name)$
-- Paces a queue that nobody has paced yet; returns its name where it did.
UPDATE queues SET interval_seconds = :interval_seconds, batch_size = :per_interval, paced = true
WHERE name = :name AND NOT paced
RETURNING name;

-- name: set_queue_active(name, active)^
-- Starts or stops a queue.
WITH previous AS (
    SELECT name AS switched, active AS was_active FROM queues WHERE name = :name FOR UPDATE
)
UPDATE queues SET active = :active
FROM previous
WHERE name = switched
RETURNING {queue_columns}, was_active <> active AS changed;

-- name: paced_ticks(queues)
-- Those of these queues (null: of all) that have a pace and may be claimed from now, locked until the claim commits, each with what it may still take in
-- its interval (null: all that was due when the interval began). A new interval keeps the rhythm of the last where
-- it is less than a tenth of itself, and less than a second, late.
WITH ready AS (
    SELECT
        name, batch_size AS per_interval, credit, last_claimed_at, interval_seconds, tick,
        tick IS NULL OR tick <= now() AS fresh
    FROM queues
    CROSS JOIN LATERAL (SELECT next_tick(queues) AS tick) AS next
    WHERE
        active
        AND interval_seconds > 0
        AND name = ANY(coalesce(:queues::text[], ARRAY(SELECT name FROM queues WHERE interval_seconds > 0)))
        AND (tick IS NULL OR tick <= now() OR batch_size IS NULL OR credit > 0)
    ORDER BY name
    FOR UPDATE OF queues SKIP LOCKED
)
SELECT
    name,
    CASE WHEN fresh THEN per_interval ELSE credit END AS allowance,
    CASE
        WHEN NOT fresh THEN last_claimed_at
        WHEN now() - tick < least(interval '1 second', make_interval(secs => interval_seconds / 10)) THEN tick
        ELSE now()
    END AS began_at,
    CASE WHEN per_interval IS NULL AND NOT fresh THEN last_claimed_at END AS cutoff
FROM ready;

-- name: spend_tick(began_at, credit, name)!
-- Records what a paced queue took in its interval.
UPDATE queues SET last_claimed_at = :began_at, credit = :credit WHERE name = :name;

-- name: queue_depths(limit, queues, off_too)
-- What each queue holds: due, due later, in processing; those that hold nothing are left out. Nothing is counted beyond the
-- limit, in each claim lane (a queue at a priority), so that millions of waiting rows cost no more than that.
{waiting_turns},
processing AS MATERIALIZED (
    SELECT queue, count(*) AS messages FROM messages WHERE status = 'processing' GROUP BY queue
),
level AS MATERIALIZED (
    SELECT queue, priority, array_agg(share) AS shares FROM claim_lane GROUP BY queue, priority
),
waiting AS MATERIALIZED (
    SELECT level.queue, span.due, sum(counted.messages)::bigint AS messages
    FROM level
    CROSS JOIN (VALUES (true, '-infinity', now()), (false, now(), 'infinity')) AS span (due, after, until)
    CROSS JOIN LATERAL (
        SELECT count(*) AS messages
        FROM (
            SELECT
            FROM unnest(level.shares) AS turn (share)
            CROSS JOIN LATERAL (
                SELECT FROM messages
                WHERE
                    status IN ('pending', 'failed')
                    AND queue = level.queue
                    AND priority = level.priority
                    AND share = turn.share
                    AND due_at > span.after
                    AND due_at <= span.until
                LIMIT :limit
            ) AS each
            LIMIT :limit
        ) AS bounded
    ) AS counted
    GROUP BY level.queue, span.due
)
SELECT queue, sum(due)::bigint AS due, sum(later)::bigint AS later, sum(processing)::bigint AS processing
FROM (
    SELECT queue, CASE WHEN due THEN messages ELSE 0 END, CASE WHEN due THEN 0 ELSE messages END, 0 FROM waiting
    UNION ALL
    SELECT queue, 0, 0, messages FROM processing
) AS each (queue, due, later, processing)
GROUP BY queue
ORDER BY queue;
