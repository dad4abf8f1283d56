-- name: make_table#
-- What a program that uses a queue would keep of its messages.
CREATE TABLE peer_messages (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient           text NOT NULL,
    content             text NOT NULL,
    status              text NOT NULL DEFAULT 'pending',
    provider_message_id text,
    sent_at             timestamptz
);
CREATE INDEX peer_messages_pending ON peer_messages (id) WHERE status = 'pending';

-- name: put_rows(count)!
-- Due messages, as in `rig/rows.sql`.
INSERT INTO peer_messages (recipient, content)
SELECT
    '+4915112345678',
    '#' || number || ' Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711'
FROM generate_series(0, :count::integer - 1) AS number;

-- name: take_rows(count)
-- Due messages, so that nobody else takes them.
UPDATE peer_messages SET status = 'queued'
WHERE id IN (SELECT id FROM peer_messages WHERE status = 'pending' ORDER BY id LIMIT :count FOR UPDATE SKIP LOCKED)
RETURNING id, recipient, content;

-- name: mark_sent(id, provider_message_id)!
-- One message's outcome.
UPDATE peer_messages SET status = 'sent', provider_message_id = :provider_message_id, sent_at = now() WHERE id = :id;

-- name: count_sent()$
-- Messages whose outcome is on record.
SELECT count(*) FROM peer_messages WHERE status = 'sent';

-- name: add_graphile_jobs(count)$
-- Jobs of graphile-worker, by its own function.
SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT (
        'deliver',
        json_build_object(
            'to', '+4915112345678',
            'content', '#' || number || ' Your parcel arrives today between 14:00 and 16:00. '
                || 'Track it at https://parcels.example/4711'
        ),
        NULL, NULL, NULL, NULL, NULL, NULL
    )::graphile_worker.job_spec
    FROM generate_series(0, :count::integer - 1) AS number
));

-- name: count_graphile_jobs()$
-- Jobs that are not done.
SELECT count(*) FROM graphile_worker._private_jobs;
