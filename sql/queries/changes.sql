-- name: begin_change(id, user_id, action, held_for, queues, shares)!
-- A bulk change begins; where held_for is not null, nothing is claimed meanwhile of these turns. Old ones are forgotten.
WITH forgotten AS (
    DELETE FROM changes WHERE began_at < now() - interval '1 day'
)
INSERT INTO changes (id, user_id, action, held_until, queues, shares)
VALUES (:id, :user_id, :action, now() + :held_for::interval, :queues::text[], :shares::smallint[]);

-- name: renew_change(id, count, held_for)$
-- A bulk change goes on; returns whether somebody wants it stopped.
UPDATE changes SET
    count = :count,
    renewed_at = now(),
    held_until = CASE WHEN held_until IS NOT NULL THEN now() + :held_for::interval END
WHERE id = :id
RETURNING stopped;

-- name: end_change(id, count)!
-- A bulk change is through; producers look again at what it held.
WITH ended AS (
    UPDATE changes SET count = :count, ended_at = now(), held_until = NULL WHERE id = :id
    RETURNING 1
)
SELECT pg_notify('tidings_queues', '') FROM ended;

-- name: interrupt_change(id)!
-- The process that makes a bulk change ends before it.
WITH ended AS (
    UPDATE changes SET renewed_at = '-infinity', held_until = NULL WHERE id = :id AND ended_at IS NULL
    RETURNING 1
)
SELECT pg_notify('tidings_queues', '') FROM ended;

-- name: stop_change(id)!
-- Somebody wants a bulk change stopped; what it has changed stays so.
UPDATE changes SET stopped = true WHERE id = :id AND ended_at IS NULL;

-- name: get_change(id, silent_after)^
-- How far a bulk change is. One that gives no sign of life was interrupted.
SELECT
    id, user_id, action, count, began_at, ended_at,
    CASE
        WHEN ended_at IS NOT NULL AND stopped THEN 'stopped'
        WHEN ended_at IS NOT NULL THEN 'done'
        WHEN renewed_at < now() - :silent_after::interval THEN 'interrupted'
        ELSE 'running'
    END AS state
FROM changes
WHERE id = :id;

-- name: shares_of(user_id, queues, off_too)$
-- The shares under which a user's messages wait. All messages of a turn are one user's, so its first one tells.
{waiting_turns}
SELECT array_agg(DISTINCT greatest(claim_lane.share, ~claim_lane.share))
FROM claim_lane
JOIN messages ON messages.id = claim_lane.id
WHERE messages.user_id = :user_id;

-- name: cancel_next(before, created_from, created_until, user_id, status, channel, queue, recipient, channels, queues, held, receipt, after_queue, after_priority, after_share, after_due_at, after_id, most)^
-- Cancels those that pass the filter among the next waiting messages, in the order of their index from one place on.
-- Returns how many were looked at and cancelled, and the place of the last one. What is claimed at this moment is on its
-- way. Rejected: all that pass the filter, up to a limit, which sorts a million for each thousand, or begins again each
-- time at the entries of those that it has just cancelled.
WITH looked_at AS MATERIALIZED (
    SELECT
        id, queue, priority, share, due_at,
        id >= (SELECT {first_id}) AND id < (SELECT {end_id}) AND {wanted} AS wanted
    FROM messages
    WHERE
        status IN ('pending', 'failed')
        AND (queue, priority, share, due_at, id) > (
            :after_queue::text, :after_priority::smallint, :after_share::smallint, :after_due_at::timestamptz,
            :after_id::uuid
        )
        AND queue <= coalesce(:queue, (SELECT max(name) FROM queues))
    ORDER BY queue, priority, share, due_at, id
    LIMIT :most
),
changed AS (
    UPDATE messages SET status = 'cancelled', cancel_reason = 'requested'
    FROM looked_at
    WHERE messages.id = looked_at.id AND looked_at.wanted AND coalesce(messages.status IN ('pending', 'failed'), false)
    RETURNING {changed_columns}, 'message.cancelled' AS event
),
{reported}
SELECT
    (SELECT count(*) FROM looked_at) AS looked,
    (SELECT count(*) FROM changed) AS changed,
    last.queue, last.priority, last.share, last.due_at, last.id
FROM (SELECT) AS always
LEFT JOIN (
    SELECT * FROM looked_at ORDER BY queue DESC, priority DESC, share DESC, due_at DESC, id DESC LIMIT 1
) AS last ON true;

-- name: cancel_these(ids)$
-- Cancels those of these messages that wait; returns the count.
WITH changed AS (
    UPDATE messages SET status = 'cancelled', cancel_reason = 'requested'
    WHERE id = ANY(:ids::uuid[]) AND coalesce(status IN ('pending', 'failed'), false)
    RETURNING {changed_columns}, 'message.cancelled' AS event
),
{reported}
SELECT count(*) FROM changed;

-- name: retry_these(ids, cancel_reason)$
-- retry_message for these; returns the count. A failed or a held one that is due already is none of them, so that this can
-- be repeated until none is left.
WITH retried AS (
    UPDATE messages SET {retried}
    WHERE
        id = ANY(:ids::uuid[])
        AND coalesce(
            status = 'cancelled'
            OR (status = 'failed' AND due_at > now())
            OR (status = 'pending' AND held_reason IS NOT NULL AND due_at > now()),
            false
        )
        AND (:cancel_reason::text IS NULL OR cancel_reason = :cancel_reason::cancel_reason)
        AND NOT {erased}
        AND NOT {suppressed}
    RETURNING 1
)
SELECT count(*) FROM retried;
