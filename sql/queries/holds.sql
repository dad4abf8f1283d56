-- name: put_holds(id, channel, endpoint, user_id, reason, last_error)!
-- Holds endpoints until somebody releases them; one that is held already stays as it is. That a gateway is held is a
-- status event.
WITH put AS (
    INSERT INTO holds (id, channel, endpoint, user_id, reason, last_error)
    SELECT *
    FROM unnest(:id::uuid[], :channel::text[], :endpoint::text[], :user_id::uuid[], :reason::text[], :last_error::text[])
    ON CONFLICT ON CONSTRAINT holds_once DO NOTHING
    RETURNING *
)
INSERT INTO status_changes (user_id, type, data)
SELECT
    user_id, 'gateway.held',
    jsonb_build_object(
        'hold_id', id, 'channel', channel, 'endpoint', endpoint, 'reason', reason, 'since', since, 'last_error', last_error
    )
FROM put
WHERE reason = 'gateway';

-- name: list_holds(user_id, channels, limit)
-- Holds, of one user or of all: those that concern everybody first, then the newest.
SELECT id, channel, endpoint, user_id, reason, since, last_error
FROM holds
WHERE (:user_id::uuid IS NULL OR user_id = :user_id) AND (:channels::text[] IS NULL OR channel = ANY(:channels))
ORDER BY user_id IS NOT NULL, since DESC, id
LIMIT :limit;

-- name: release_hold(id, user_id, channels)^
-- Deletes a hold and returns it; no row where there is none, or where it is not this user's.
DELETE FROM holds
WHERE
    id = :id
    AND (:user_id::uuid IS NULL OR user_id = :user_id)
    AND (:channels::text[] IS NULL OR channel = ANY(:channels))
RETURNING id, channel, endpoint, user_id, reason, since, last_error;

-- name: wake_held(channel, user_id, reason, seconds, limit)$
-- Messages that waited for a hold are due in so many seconds, those that have waited longest first; returns the count.
WITH chosen AS (
    SELECT id FROM messages
    WHERE
        held_reason = :reason
        AND status IN ('pending', 'failed')
        AND channel = :channel
        AND (:user_id::uuid IS NULL OR user_id = :user_id)
        AND due_at > now() + make_interval(secs => :seconds)
    ORDER BY held_since
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
woken AS (
    UPDATE messages SET due_at = now() + make_interval(secs => :seconds)
    FROM chosen WHERE messages.id = chosen.id
    RETURNING 1
)
SELECT count(*) FROM woken;

-- name: count_held(reasons, limit)
-- How many messages each of these reasons holds, counted up to a limit, and for how long the longest; those that hold
-- none are left out.
SELECT reason, held.messages, extract(epoch FROM now() - held.since)::double precision AS seconds
FROM unnest(:reasons::text[]) AS reason
CROSS JOIN LATERAL (
    SELECT count(*) AS messages, min(held_since) AS since
    FROM (
        SELECT held_since FROM messages
        WHERE held_reason = reason AND status IN ('pending', 'failed')
        ORDER BY held_since
        LIMIT :limit
    ) AS counted
) AS held
WHERE held.messages > 0;
