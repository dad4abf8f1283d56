-- name: create_endpoint(id, user_id, owner, url, description, customer, event_types, labels, sealed, secret, rate_limit, retry_delays, max_tries, most)^
-- Keeps a new endpoint; no row where its owner has as many as one may have. Two at the same moment may be one too many.
INSERT INTO endpoints (
    id, user_id, url, description, customer, event_types, labels, sealed, secret, rate_limit, retry_delays, max_tries,
    created_at
)
SELECT
    :id, :user_id, :url, :description, :customer, :event_types::text[], :labels::text[], :sealed::bytea, :secret,
    :rate_limit, :retry_delays::jsonb, :max_tries, now()
WHERE (SELECT count(*) FROM (SELECT FROM endpoints WHERE owner = :owner::uuid LIMIT :most) AS known) < :most
RETURNING {endpoint_columns};

-- name: get_endpoint(id)^
-- One endpoint.
SELECT {endpoint_columns} FROM endpoints WHERE id = :id;

-- name: get_endpoints(ids)
-- Endpoints that messages go to.
SELECT {endpoint_columns} FROM endpoints WHERE id = ANY(:ids::uuid[]);

-- name: list_endpoints(before, customer, limit)
-- Everybody's endpoints, the newest first.
SELECT {endpoint_columns}
FROM endpoints
WHERE id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND (:customer::text IS NULL OR customer = :customer)
ORDER BY id DESC
LIMIT :limit;

-- name: list_user_endpoints(owner, before, customer, limit)
-- The endpoints of one owner, the newest first.
SELECT {endpoint_columns}
FROM endpoints
WHERE
    owner = :owner
    AND id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND (:customer::text IS NULL OR customer = :customer)
ORDER BY id DESC
LIMIT :limit;

-- name: record_health(ids, succeeded, failed_from, failed_until, errors, gone, disable_after)
-- Writes how endpoints fared in the last seconds, and returns those that are disabled by that: the receiver says that it
-- is gone, or nothing was accepted for so long. Locks them in the order of their ids: consumers may write the same ones.
WITH seen AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :ids::uuid[], :succeeded::boolean[], :failed_from::timestamptz[], :failed_until::timestamptz[], :errors::text[],
        :gone::boolean[]
    ) AS seen (id, succeeded, failed_from, failed_until, error, gone)
),
judged AS MATERIALIZED (
    SELECT
        endpoints.id,
        CASE
            WHEN disabled_at IS NOT NULL THEN NULL
            WHEN seen.gone THEN 'gone'
            WHEN
                :disable_after::interval > interval '0'
                AND NOT seen.succeeded
                AND seen.failed_until - failing_since >= :disable_after
            THEN 'failing'
        END AS reason
    FROM endpoints
    JOIN seen USING (id)
    ORDER BY endpoints.id
    FOR UPDATE OF endpoints
),
written AS (
    UPDATE endpoints SET
        failing_since = CASE WHEN seen.succeeded THEN seen.failed_from ELSE coalesce(failing_since, seen.failed_from) END,
        last_failed_at = coalesce(seen.failed_until, last_failed_at),
        last_error = coalesce(seen.error, last_error),
        disabled_at = CASE WHEN judged.reason IS NULL THEN disabled_at ELSE now() END,
        disabled_reason = coalesce(judged.reason, disabled_reason),
        owner_notified = owner_notified AND judged.reason IS NULL
    FROM judged
    JOIN seen USING (id)
    WHERE endpoints.id = judged.id
)
SELECT id, reason AS disabled_reason FROM judged WHERE reason IS NOT NULL;

-- name: lock_endpoint(id)^
-- One endpoint, for a change that depends on what it is.
SELECT {endpoint_columns} FROM endpoints WHERE id = :id FOR UPDATE;

-- name: change_endpoint(id, url, description, customer, event_types, labels, sealed, rate_limit, retry_delays, max_tries)^
-- Replaces what a client sets of an endpoint.
UPDATE endpoints SET
    url = :url, description = :description, customer = :customer, event_types = :event_types::text[],
    labels = :labels::text[], sealed = :sealed::bytea, rate_limit = :rate_limit, retry_delays = :retry_delays::jsonb,
    max_tries = :max_tries, updated_at = clock_timestamp()
WHERE id = :id
RETURNING {endpoint_columns};

-- name: rotate_endpoint_secret(id, secret, until)^
-- Signs with another secret; the one before signs too until then.
UPDATE endpoints SET
    previous_secret = secret, previous_until = :until, secret = :secret, updated_at = clock_timestamp()
WHERE id = :id
RETURNING {endpoint_columns};

-- name: disable_endpoint(id)^
-- Nothing is sent there any more; one that is disabled stays as it is.
UPDATE endpoints SET
    disabled_at = coalesce(disabled_at, now()), disabled_reason = coalesce(disabled_reason, 'requested')
WHERE id = :id
RETURNING {endpoint_columns};

-- name: enable_endpoint(id)^
-- It is sent to again, as if it had never failed.
UPDATE endpoints SET
    disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, owner_notified = true, updated_at = clock_timestamp()
WHERE id = :id
RETURNING {endpoint_columns};

-- name: wake_endpoint(id, seconds, limit)$
-- Messages that waited for an endpoint that was disabled are due in so many seconds; returns the count.
WITH chosen AS (
    SELECT id FROM messages
    WHERE
        endpoint_id = :id
        AND status IN ('pending', 'failed')
        AND held_reason = 'endpoint_disabled'
        AND due_at > now() + make_interval(secs => :seconds)
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
woken AS (
    UPDATE messages SET due_at = now() + make_interval(secs => :seconds)
    FROM chosen WHERE messages.id = chosen.id
    RETURNING 1
)
SELECT count(*) FROM woken;

-- name: delete_endpoint(id)^
-- Deletes an endpoint; no row where there is none.
DELETE FROM endpoints WHERE id = :id RETURNING {endpoint_columns};

-- name: cancel_at_endpoint(id, limit)$
-- Messages that waited for an endpoint that was deleted are cancelled; returns the count.
WITH chosen AS (
    SELECT id FROM messages
    WHERE endpoint_id = :id AND status IN ('pending', 'failed')
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE messages SET
        status = 'cancelled', cancel_reason = 'requested', last_error = 'its endpoint was deleted', held_reason = NULL,
        held_since = NULL
    FROM chosen WHERE messages.id = chosen.id
    RETURNING {changed_columns}, 'message.cancelled' AS event
),
{reported}
SELECT count(*) FROM changed;

-- name: endpoint_traffic(id, recent, most)^
-- What waits for an endpoint, counted up to `most`, and what became of its last messages.
SELECT waits.waiting, waits.held, lately.sent, lately.failed, lately.cancelled, lately.last_sent_at
FROM (
    SELECT count(*) AS waiting, count(held_reason) AS held
    FROM (
        SELECT held_reason FROM messages WHERE endpoint_id = :id AND status IN ('pending', 'failed') LIMIT :most
    ) AS found
) AS waits
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE status = 'sent') AS sent,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        max(sent_at) AS last_sent_at
    FROM (
        SELECT status, sent_at FROM messages WHERE endpoint_id = :id ORDER BY id DESC LIMIT :recent
    ) AS found
) AS lately;

-- name: send_again(endpoint_id, after, since, until, which, limit, moment_id, created_at, queue, headers, max_tries, retry_delays, due_at, share)^
-- Looks at events of an endpoint's owner in a span of time, up to a limit, and sends it those that it wants: all, the
-- `missing` (of which it has no message but cancelled ones), or the `failed` (missing, and it had one). None of which a
-- message still waits. Returns how many messages, and where to go on.
WITH looked_at AS MATERIALIZED (
    SELECT event.id, event.owner, event.user_id, event.type, event.customer, event.labels, event.of_system, event.endpoint_id
    FROM events AS event
    WHERE
        event.owner = (SELECT owner FROM endpoints WHERE endpoints.id = :endpoint_id)
        AND event.id > :after
        AND event.id >= uuid_from_time(:since::timestamptz)
        AND event.id < uuid_from_time(:until::timestamptz)
    ORDER BY event.id
    LIMIT :limit
),
wanted AS (
    SELECT
        event.id AS event_id, event.user_id, kept.payload, endpoints.id AS endpoint_id, endpoints.url, endpoints.max_tries,
        endpoints.retry_delays
    FROM looked_at AS event
    JOIN endpoints ON endpoints.id = :endpoint_id AND {wants}
    JOIN events AS kept ON kept.id = event.id
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (WHERE status IN ('pending', 'processing', 'failed')) AS waiting,
            count(*) FILTER (WHERE status = 'sent') AS sent,
            count(*) FILTER (WHERE status = 'cancelled') AS cancelled
        FROM messages
        WHERE messages.event_id = event.id AND messages.endpoint_id = endpoints.id
    ) AS before
    WHERE
        event.endpoint_id IS NULL
        AND before.waiting = 0
        AND CASE :which::text
            WHEN 'missing' THEN before.sent = 0
            WHEN 'failed' THEN before.sent = 0 AND before.cancelled > 0
            ELSE true
        END
),
{fan_out}
SELECT
    (SELECT count(*) FROM fanned) AS messages,
    (SELECT count(*) FROM looked_at) AS looked,
    (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1) AS last;

-- name: endpoints_to_notify(limit)
-- Endpoints that were disabled by themselves, whose owners do not know yet; locked until the transaction ends.
SELECT {endpoint_columns}, (SELECT email FROM users WHERE users.id = user_id) AS email
FROM endpoints
WHERE NOT owner_notified
ORDER BY id
LIMIT :limit
FOR UPDATE OF endpoints SKIP LOCKED;

-- name: owners_notified(ids)!
-- Their owners know.
UPDATE endpoints SET owner_notified = true WHERE id = ANY(:ids::uuid[]);

-- name: sealed_endpoint_secrets(after, limit)
-- A page of what is kept encrypted of endpoints.
SELECT id, secret, previous_secret, sealed FROM endpoints WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_endpoint_secrets(ids, secrets, previous_secrets, sealed, new_secrets, new_previous_secrets, new_sealed)$
-- Puts new ciphertexts in the place of old ones, but not where one was changed meanwhile; returns the count of endpoints.
WITH resealed AS (
    UPDATE endpoints SET secret = new_secret, previous_secret = new_previous_secret, sealed = new_sealed
    FROM unnest(
        :ids::uuid[], :secrets::bytea[], :previous_secrets::bytea[], :sealed::bytea[], :new_secrets::bytea[],
        :new_previous_secrets::bytea[], :new_sealed::bytea[]
    ) AS old (
        endpoint_id, old_secret, old_previous_secret, old_sealed, new_secret, new_previous_secret, new_sealed
    )
    WHERE
        id = endpoint_id
        AND secret = old_secret
        AND previous_secret IS NOT DISTINCT FROM old_previous_secret
        AND sealed IS NOT DISTINCT FROM old_sealed
    RETURNING 1
)
SELECT count(*) FROM resealed;
