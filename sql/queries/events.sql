-- name: post_event(id, user_id, type, customer, labels, payload, of_system, created_at, key, fingerprint, moment_id, queue, headers, max_tries, retry_delays, due_at, share)^
-- Keeps an event and a message for each endpoint that wants it: one commit. Returns whether the event was kept, which it
-- is not where its idempotency key is taken, and how many messages it became.
WITH keyed AS (
    INSERT INTO idempotency_keys (user_id, key, fingerprint, message_id, created_at)
    SELECT :user_id::uuid, :key::text, :fingerprint::bytea, :id::uuid, :created_at::timestamptz
    WHERE :key IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING message_id
),
event AS (
    INSERT INTO events (id, user_id, type, customer, labels, payload, of_system, created_at)
    SELECT :id, :user_id, :type, :customer, :labels::text[], :payload, :of_system::boolean, :created_at
    WHERE :key IS NULL OR EXISTS (SELECT FROM keyed)
    RETURNING *
),
wanted AS (
    SELECT
        event.id AS event_id, event.user_id, event.payload, endpoints.id AS endpoint_id, endpoints.url, endpoints.max_tries,
        endpoints.retry_delays
    FROM event
    JOIN endpoints ON {wants}
),
{fan_out}
SELECT EXISTS (SELECT FROM event) AS kept, (SELECT count(*) FROM fanned) AS messages;

-- name: count_wanting(owner, type, customer, labels)$
-- How many endpoints want such an event now, for those whose messages are counted.
SELECT count(*)
FROM (SELECT :owner::uuid AS owner, :type::text AS type, :customer::text AS customer, :labels::text[] AS labels, false AS of_system)
    AS event
JOIN endpoints ON {wants};

-- name: get_event(id)^
-- An event.
SELECT id, user_id, type, customer, labels, payload, endpoint_id, created_at FROM events WHERE id = :id;

-- name: list_event_messages(id, limit)
-- The messages of an event, without its payload, the first ones first.
SELECT id, endpoint_id, recipient, status::text, tries, due_at, sent_at, cancel_reason::text, last_error, held_reason
FROM messages
WHERE event_id = :id AND id >= uuid_from_time((SELECT created_at FROM events WHERE events.id = :id))
ORDER BY id
LIMIT :limit;

-- name: post_test_event(id, user_id, type, customer, payload, created_at, endpoint_id, moment_id, queue, headers, max_tries, retry_delays, due_at, share)$
-- Keeps an event for one endpoint alone, whatever that wants; returns the id of its message, null where it is disabled.
WITH event AS (
    INSERT INTO events (id, user_id, type, customer, payload, endpoint_id, created_at)
    SELECT :id, :user_id, :type, :customer, :payload, id, :created_at
    FROM endpoints
    WHERE id = :endpoint_id AND disabled_at IS NULL
    RETURNING *
),
wanted AS (
    SELECT
        event.id AS event_id, event.user_id, event.payload, endpoints.id AS endpoint_id, endpoints.url, endpoints.max_tries,
        endpoints.retry_delays
    FROM event
    JOIN endpoints ON endpoints.id = event.endpoint_id
),
{fan_out}
SELECT id FROM fanned;

-- name: replay_event(id, endpoint_id, moment_id, created_at, queue, headers, max_tries, retry_delays, due_at, share)$
-- Sends an event again to each endpoint that wants it, or to one of them, but not where a message of it still waits;
-- returns how many messages that makes.
WITH wanted AS (
    SELECT
        event.id AS event_id, event.user_id, event.payload, endpoints.id AS endpoint_id, endpoints.url, endpoints.max_tries,
        endpoints.retry_delays
    FROM events AS event
    JOIN endpoints ON {wants}
    WHERE
        event.id = :id
        AND (:endpoint_id::uuid IS NULL OR endpoints.id = :endpoint_id)
        AND (event.endpoint_id IS NULL OR event.endpoint_id = endpoints.id)
        AND NOT EXISTS (
            SELECT FROM messages
            WHERE
                messages.event_id = event.id
                AND messages.endpoint_id = endpoints.id
                AND messages.status IN ('pending', 'processing', 'failed')
        )
),
{fan_out}
SELECT count(*) FROM fanned;

-- name: count_event_messages(id)
-- How many messages of an event are in each state.
SELECT status::text, count(*) AS messages FROM messages WHERE event_id = :id GROUP BY status;

-- name: forget_events(after, moment, limit)^
-- Forgets events that are older than a moment and of which no message is kept, looking at up to a limit of them; returns
-- how many it looked at, and where to go on.
WITH looked_at AS MATERIALIZED (
    SELECT id FROM events WHERE id > :after AND id < uuid_from_time(:moment::timestamptz) ORDER BY id LIMIT :limit
),
forgotten AS (
    DELETE FROM events
    WHERE
        id IN (SELECT id FROM looked_at)
        AND NOT EXISTS (SELECT FROM messages WHERE messages.event_id = events.id)
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM looked_at) AS looked,
    (SELECT count(*) FROM forgotten) AS forgotten,
    (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1) AS last;
