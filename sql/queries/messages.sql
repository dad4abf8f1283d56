-- name: insert_messages(id, user_id, queue, channel, recipient, subject, content, headers, priority, max_tries, retry_delays, due_at, expires_at, created_at, share, mail_bytes, account, sender, sms_parts, callback_url, key, fingerprint)
-- Keeps new messages, an array for each of their columns; one whose idempotency key is taken is left out.
WITH {new_messages}
INSERT INTO messages ({new_message_columns})
SELECT {new_message_columns} FROM new
WHERE key IS NULL OR id IN (SELECT message_id FROM keyed)
RETURNING id, statement_timestamp() AS seen_at;

-- name: insert_mails(id, user_id, queue, channel, recipient, subject, content, headers, priority, max_tries, retry_delays, due_at, expires_at, created_at, share, mail_bytes, account, sender, sms_parts, callback_url, key, fingerprint, mail_ids, parts, files)
-- insert_messages for a group with mails of which something is kept beside them.
WITH {new_messages},
kept AS (
    INSERT INTO messages ({new_message_columns})
    SELECT {new_message_columns} FROM new
    WHERE key IS NULL OR id IN (SELECT message_id FROM keyed)
    RETURNING id
),
beside AS (
    INSERT INTO mail_parts (message_id, parts, files)
    SELECT mail.id, mail.parts, mail.files
    FROM unnest(:mail_ids::uuid[], :parts::jsonb[], :files::bytea[]) AS mail (id, parts, files)
    JOIN kept USING (id)
)
SELECT id, statement_timestamp() AS seen_at FROM kept;

-- name: find_idempotency_keys(keys)
-- What earlier requests of the operator's own with these keys stored.
SELECT key, fingerprint, message_id
FROM idempotency_keys
WHERE user_id IS NULL AND key = ANY(:keys::text[]);

-- name: find_user_idempotency_keys(user_id, keys)
-- What earlier requests of a user with these keys stored. Without the user, the index is read from end to end.
SELECT key, fingerprint, message_id
FROM idempotency_keys
WHERE user_id = :user_id AND key = ANY(:keys::text[]);

-- name: get_message(id)^
-- One message whole.
SELECT {message_columns}
FROM messages
WHERE id = :id;

-- name: find_mails(ids)
-- What is kept beside these mails.
SELECT message_id, parts, files, remaining
FROM mail_parts
WHERE message_id = ANY(:ids::uuid[]);

-- name: find_mail_parts(id)^
-- What is kept beside one mail, without the contents of its attachments.
SELECT parts, remaining
FROM mail_parts
WHERE message_id = :id;

-- name: list_attempts(message_id, created_at)
-- The history of a message, oldest attempt first. Its own age bounds the days that are looked into, with an hour to spare:
-- the clock of the consumer may be behind that of the API.
SELECT message_id, try, batch_id, consumer, started_at, duration, outcome::text, status_code, error, answer
FROM attempts
WHERE message_id = :message_id AND started_at >= :created_at::timestamptz - interval '1 hour'
ORDER BY started_at;

-- name: cancel_message(id)^
-- A waiting message becomes cancelled; no row where it is not waiting (any more).
WITH changed AS (
    UPDATE messages SET status = 'cancelled', cancel_reason = 'requested'
    WHERE id = :id AND status IN ('pending', 'failed')
    RETURNING messages.*, 'message.cancelled' AS event
),
{reported}
SELECT {message_columns} FROM changed AS messages;

-- name: retry_message(id)^
-- A cancelled message starts again, a failed or a held one is due now; no row where it is none of them, erased, or
-- mail that its recipient takes no more.
UPDATE messages SET {retried}
WHERE
    id = :id
    AND (status IN ('cancelled', 'failed') OR (status = 'pending' AND held_reason IS NOT NULL))
    AND NOT {erased}
    AND NOT {suppressed}
RETURNING {message_columns};

-- name: under_way()$
-- Whether a living consumer is at work on messages: it renews the leases of the batches that it has started.
SELECT EXISTS (SELECT FROM batches WHERE lease_until > now() AND started_at IS NOT NULL);

-- name: expire(limit)$
-- Waiting messages whose time is over become cancelled; returns the count.
WITH expired AS (
    SELECT id FROM messages
    WHERE expires_at <= now() AND expires_at IS NOT NULL AND status IN ('pending', 'failed')
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE messages SET status = 'cancelled', cancel_reason = 'expired'
    FROM expired WHERE messages.id = expired.id
    RETURNING {changed_columns}, 'message.cancelled' AS event
),
{reported}
SELECT count(*) FROM changed;

-- name: message_state(id)^
-- What decides when a message goes, at one moment of Postgres's clock: its own state, its queue, its batch.
SELECT
    now() AS asked_at,
    messages.status::text, messages.tries, messages.recoveries, messages.due_at, messages.expires_at,
    messages.max_tries, messages.cancel_reason::text, messages.last_error, messages.sent_at,
    messages.held_reason, messages.held_since,
    claimable_at(queues, messages.due_at) AS claimable_at,
    queues.active, queues.interval_seconds, queues.batch_size AS per_interval,
    batches.consumer, batches.size, batches.claimed_at, batches.started_at, batches.lease_until
FROM messages
JOIN queues ON queues.name = messages.queue
LEFT JOIN batches ON batches.id = messages.batch_id
WHERE messages.id = :id;
