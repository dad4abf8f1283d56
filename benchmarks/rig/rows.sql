-- name: put_waiting(count, channel, recipients, due_at, spread)!
-- Messages that wait, numbered from 0, their recipients in turn, their due times spread evenly over `spread`.
INSERT INTO messages (id, user_id, queue, channel, recipient, content, priority, max_tries, due_at, created_at)
SELECT
    uuidv7(), NULL, 'default', :channel, (:recipients::text[])[1 + number % cardinality(:recipients::text[])],
    '#' || number || ' Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711',
    1, 5, :due_at::timestamptz + :spread::interval * number / :count::integer, now()
FROM generate_series(0, :count::integer - 1) AS number;

-- name: put_one(number, queue, channel, recipient, priority)!
-- One message that is due now.
INSERT INTO messages (id, user_id, queue, channel, recipient, content, priority, max_tries, due_at, created_at)
VALUES (
    uuidv7(), NULL, :queue, :channel, :recipient, '#' || :number::integer || ' Your code is 4711', :priority::smallint,
    5, now(), now()
);

-- name: put_finished(count)!
-- Messages that were sent, as they pile up until their retention is over.
INSERT INTO messages (
    id, user_id, queue, channel, recipient, content, priority, status, tries, max_tries, due_at, created_at, sent_at,
    provider_message_id
)
SELECT
    uuidv7(), NULL, 'default', 'sms', '+4915112345678',
    '#' || number || ' Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711',
    1, 'sent', 1, 5, now(), now(), now(), to_char(number, 'FM00000000') || '-0000-4000-8000-000000000000'
FROM generate_series(1, :count::integer) AS number;

-- name: put_mixed(first, count, days, users, rows)!
-- Messages of so many days, in the order of time, all but one in a hundred of them sent, a few of each kind that is rare.
INSERT INTO messages (
    id, user_id, queue, channel, recipient, content, priority, status, tries, max_tries, due_at, created_at, sent_at,
    cancel_reason, batch_id, held_reason
)
SELECT
    overlay(gen_random_uuid()::text PLACING left(uuid_from_time(at)::text, 13) FROM 1)::uuid,
    ('00000000-0000-0000-0000-' || lpad(to_hex(number % :users::integer), 12, '0'))::uuid,
    CASE WHEN number % 10007 = 0 THEN 'rare' ELSE 'default' END,
    CASE WHEN number % 10009 = 0 THEN 'echo' ELSE 'sms' END,
    '+49' || lpad((number % greatest(:rows::integer / 20, 1))::text, 12, '0'),
    'Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711',
    1, status::message_status, 1, 5, at, at, CASE status WHEN 'sent' THEN at END,
    CASE status WHEN 'cancelled' THEN 'exhausted' END::cancel_reason,
    CASE status WHEN 'processing' THEN gen_random_uuid() END,
    CASE WHEN number % 20011 = 3 THEN 'breaker' END
FROM generate_series(:first::integer, :first::integer + :count::integer - 1) AS number
CROSS JOIN LATERAL (
    SELECT
        now() - make_interval(secs => :days::integer * 86400.0 * (1 - number::float / :rows::integer)) AS at,
        CASE
            WHEN number % 10037 = 1 THEN 'failed'
            WHEN number % 10039 = 2 THEN 'cancelled'
            WHEN number % 10061 = 3 THEN 'processing'
            WHEN number % 101 = 4 OR number % 20011 = 3 THEN 'pending'
            ELSE 'sent'
        END AS status
) AS made;

-- name: put_in_queue(count, queue)!
-- Messages that wait in a queue for an hour.
INSERT INTO messages (id, user_id, queue, channel, recipient, content, priority, max_tries, due_at, created_at)
SELECT
    uuidv7(), NULL, :queue, 'sms', '+4915112345678', 'hello', 1, 5, now() + interval '1 hour', now()
FROM generate_series(1, :count::integer) AS number;

-- name: put_queues(count)!
-- Queues that hold nothing; every second one has a pace.
INSERT INTO queues (name, interval_seconds) SELECT 'empty-' || n, n % 2 * 60 FROM generate_series(1, :count::integer) AS n;

-- name: hold_queue(active)!
-- Stops or starts the queue before any producer runs.
UPDATE queues SET active = :active;

-- name: under_way()$
-- Whether anything is being delivered, or waits to be now.
SELECT
    EXISTS (SELECT FROM batches)
    OR EXISTS (SELECT FROM messages WHERE status IN ('pending', 'failed') AND queue = 'default' AND due_at <= now());

-- name: count_by_status(status)$
-- Messages in a status.
SELECT count(*) FROM messages WHERE status = :status::text::message_status;

-- name: most_tries()$
-- Of any message.
SELECT coalesce(max(tries), 0) FROM messages;

-- name: checkpoint#
-- What was written before a measurement is not to be paid for in it.
CHECKPOINT;

-- name: analyze#
-- As autovacuum would have by the time a table has grown this far.
VACUUM (ANALYZE) messages;

-- name: wal_position()$
-- Bytes of WAL written so far.
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint;

-- name: relation_sizes()
-- Bytes of the tables that hold messages and of their indexes, the partitions of each together.
SELECT relation, sum(pg_relation_size(oid))::bigint AS bytes
FROM (
    SELECT
        pg_class.oid,
        CASE pg_class.relkind WHEN 'i' THEN split_part(pg_class.relname, '_2', 1) || ' by ' || (
            SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = pg_class.oid
        ) ELSE split_part(pg_class.relname, '_2', 1) END AS relation
    FROM pg_class
    WHERE
        pg_class.relkind IN ('r', 'i')
        AND pg_class.relnamespace = 'public'::regnamespace
        AND pg_class.relname ~ '^(messages|attempts|batches)'
) AS each_one
GROUP BY relation
HAVING sum(pg_relation_size(oid)) > 0
ORDER BY relation;

-- name: list_index_bytes()$
-- Of the indexes that are there for lists alone.
SELECT sum(pg_relation_size(part.inhrelid))
FROM pg_inherits AS part JOIN pg_class ON pg_class.oid = part.inhparent
WHERE relname IN (
    'messages_ended_to', 'messages_waiting_to', 'messages_of_channel', 'messages_in_queue', 'messages_not_sent'
);

-- name: put_at_gateway(count, gateway)!
-- Messages that a gateway took under ids of its own.
INSERT INTO messages (
    id, user_id, queue, channel, recipient, content, priority, status, tries, max_tries, due_at, created_at, sent_at,
    provider_message_id, gateway
)
SELECT
    uuidv7(), NULL, 'default', 'sms', '+4915112345678', 'Your code is 4711', 1, 'sent', 1, 5, now(), now(), now(),
    'SM' || md5(number::text), :gateway
FROM generate_series(1, :count::integer) AS number;

-- name: ids_at_gateway()
-- The ids that the gateway has given.
SELECT provider_message_id AS id FROM messages WHERE gateway IS NOT NULL;

-- name: size_of_index(name)$
-- Bytes of an index of messages, in all partitions.
SELECT sum(pg_relation_size(indexrelid))::bigint
FROM pg_index
WHERE indexrelid::regclass::text LIKE '%' || :name;
