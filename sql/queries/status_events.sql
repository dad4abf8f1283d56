-- name: take_status_changes(limit)
-- Takes the oldest changes, each with the number of its event. One fan-out at a time has them, until its transaction
-- ends, so the numbers are committed in their order, and so are the changes of each message: whoever writes one has the
-- lock of the message until that is committed.
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('tidings.status_events', 0)) AS is_ours
),
taken AS (
    DELETE FROM status_changes
    WHERE number IN (
        SELECT number FROM status_changes WHERE (SELECT is_ours FROM turn) ORDER BY number LIMIT :limit
    )
    RETURNING *
)
SELECT nextval('status_event_sequence') AS sequence, user_id, type, callback_url, data::text, changed_at, {status_columns}
FROM (SELECT * FROM taken ORDER BY number) AS in_order;

-- name: keep_status_events(id, user_id, type, payload, sequence, changed_at, callback_url, share, moment_id, created_at, queue, headers, max_tries, retry_delays)$
-- Keeps status events, and a message for each endpoint that wants one and for each callback URL; those who read are
-- notified. Returns how many messages that makes. They go after all that is sent: telling of messages delays none.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :id::uuid[], :user_id::uuid[], :type::text[], :payload::text[], :sequence::bigint[], :changed_at::timestamptz[],
        :callback_url::text[], :share::smallint[]
    ) AS given (id, user_id, type, payload, sequence, changed_at, callback_url, share)
),
event AS (
    INSERT INTO events (id, user_id, type, payload, of_system, sequence, created_at)
    SELECT id, user_id, type, payload, true, sequence, changed_at FROM given
    RETURNING *
),
wanted AS (
    SELECT event.id, endpoints.id AS endpoint_id, endpoints.url, endpoints.max_tries, endpoints.retry_delays
    FROM event
    JOIN endpoints ON {wants}
    UNION ALL
    SELECT id, NULL, callback_url, NULL, NULL FROM given WHERE callback_url IS NOT NULL
),
numbered AS (
    SELECT *, row_number() OVER (ORDER BY given.sequence) AS number FROM wanted JOIN given USING (id)
),
fanned AS (
    INSERT INTO messages (
        id, user_id, queue, channel, recipient, content, headers, priority, max_tries, retry_delays, due_at, created_at,
        share, mail_bytes, endpoint_id, event_id
    )
    SELECT
        (
            left(:moment_id::uuid::text, 13) || '-7' || lpad(to_hex(number % 4096), 3, '0')
            || substr(gen_random_uuid()::text, 19)
        )::uuid, user_id, :queue, 'webhook', url, '',
        coalesce(:headers::jsonb, '{}') || '{"tidings-event-secret": "\u001b"}', 2,
        coalesce(max_tries, jsonb_array_length(retry_delays) + 1, :max_tries), coalesce(retry_delays, :retry_delays::jsonb),
        :created_at::timestamptz, :created_at, share, octet_length(payload), endpoint_id, id
    FROM numbered
    ORDER BY number
    RETURNING 1
),
rung AS (
    SELECT pg_notify('tidings_status_events', '') FROM (SELECT FROM event LIMIT 1) AS any_event
)
SELECT count(*) + 0 * (SELECT count(*) FROM rung) FROM fanned;

-- name: events_after(owner, after, limit)
-- Status events of one owner after a number.
SELECT sequence, id, type, payload
FROM events
WHERE owner = :owner AND sequence > :after AND sequence IS NOT NULL
ORDER BY sequence
LIMIT :limit;

-- name: last_status_event(owner)$
-- The number of the last status event of an owner; 0 where there is none.
SELECT coalesce(max(sequence), 0) FROM events WHERE owner = :owner AND sequence IS NOT NULL;

-- name: read_events(owner, user_id)!
-- From now on status events of this owner are kept for reading.
INSERT INTO event_readers (owner, user_id) VALUES (:owner, :user_id) ON CONFLICT DO NOTHING;

-- name: read_events_no_more(owner)!
-- They are kept no more but for endpoints that want them.
DELETE FROM event_readers WHERE owner = :owner;

-- name: reads_events(owner)$
-- Whether status events of this owner are kept for reading.
SELECT EXISTS (SELECT FROM event_readers WHERE owner = :owner);

-- name: report_disabled(ids)!
-- A status event for each of these endpoints, which were disabled by themselves.
INSERT INTO status_changes (user_id, type, data)
SELECT
    user_id, 'endpoint.disabled',
    jsonb_build_object(
        'endpoint_id', id, 'url', url, 'customer', nullif(customer, ''), 'reason', disabled_reason,
        'disabled_at', disabled_at, 'failing_since', failing_since, 'last_error', last_error
    )
FROM endpoints
WHERE id = ANY(:ids::uuid[]);
