-- The tables of the design: users, queues, messages, batches, attempts, idempotency keys.

CREATE TYPE message_status AS ENUM ('pending', 'processing', 'sent', 'failed', 'cancelled');
CREATE TYPE cancel_reason AS ENUM ('exhausted', 'rejected', 'expired', 'poison', 'requested');
CREATE TYPE attempt_outcome AS ENUM ('accepted', 'retry', 'rejected');
CREATE TYPE user_role AS ENUM ('admin', 'user');

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    password_hash text NOT NULL,
    role          user_role NOT NULL DEFAULT 'user',
    smtp_host     text,
    smtp_port     integer CHECK (smtp_port BETWEEN 1 AND 65535),
    smtp_username text,
    smtp_password bytea,  -- encrypted
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE queues (
    name             text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    active           boolean NOT NULL DEFAULT true,
    interval_seconds double precision NOT NULL DEFAULT 0 CHECK (interval_seconds >= 0),
    batch_size       integer CHECK (batch_size > 0),
    last_claimed_at  timestamptz,
    credit           integer  -- what is left of batch_size in the interval that began at last_claimed_at
) WITH (fillfactor = 50);
COMMENT ON COLUMN queues.interval_seconds IS '0: messages go as soon as they are due';
INSERT INTO queues (name) VALUES ('default');

-- Partitioned by id, which a UUIDv7 orders by time: a lookup by id touches one partition, retention drops whole ones.
-- No DEFAULT partition: attaching the next one would have to scan it. Partitions are made ahead of need.
CREATE TABLE messages (
    id                  uuid PRIMARY KEY,
    user_id             uuid,
    queue               text NOT NULL,
    channel             text NOT NULL,
    recipient           text NOT NULL,
    subject             text,
    content             text NOT NULL,
    headers             jsonb,
    priority            smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    status              message_status NOT NULL DEFAULT 'pending',
    tries               smallint NOT NULL DEFAULT 0,
    max_tries           smallint NOT NULL,
    recoveries          smallint NOT NULL DEFAULT 0,
    due_at              timestamptz NOT NULL,
    expires_at          timestamptz,
    batch_id            uuid,
    provider_message_id text,
    sent_at             timestamptz,
    cancel_reason       cancel_reason,
    last_error          text,
    created_at          timestamptz NOT NULL,
    CONSTRAINT tries_bounded CHECK (tries BETWEEN 0 AND max_tries),
    CONSTRAINT batch_while_processing CHECK ((status = 'processing') = (batch_id IS NOT NULL)),
    CONSTRAINT reason_while_cancelled CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL)),
    CONSTRAINT sent_at_when_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL))
) PARTITION BY RANGE (id);

-- For claim and next_due: one short range scan for each priority and queue, whatever else the table holds.
CREATE INDEX messages_due ON messages (queue, priority, due_at, id) WHERE status IN ('pending', 'failed');
-- For take, release, reclaim and heal_orphans: the messages of a batch.
CREATE INDEX messages_in_flight ON messages (batch_id) WHERE status = 'processing';
-- For expire.
CREATE INDEX messages_expiring ON messages (expires_at)
    WHERE expires_at IS NOT NULL AND status IN ('pending', 'failed');

-- The state diagram (docs/states.md), kept by the database itself. An AFTER trigger, because a BEFORE trigger makes
-- Postgres lock each row a second time; its WHEN is evaluated natively, and the function runs only to refuse.
CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a % message cannot become %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER messages_transition AFTER UPDATE OF status ON messages FOR EACH ROW
WHEN (
    OLD.status <> NEW.status AND NOT (
        (OLD.status = 'pending' AND NEW.status IN ('processing', 'cancelled'))
        OR (OLD.status = 'processing' AND NEW.status IN ('sent', 'failed', 'cancelled', 'pending'))
        OR (OLD.status = 'failed' AND NEW.status IN ('processing', 'cancelled'))
        OR (OLD.status = 'cancelled' AND NEW.status = 'pending')
    )
)
EXECUTE FUNCTION refuse_transition();

CREATE TABLE batches (
    id          uuid PRIMARY KEY,
    size        integer NOT NULL,
    consumer    text NOT NULL,
    claimed_at  timestamptz NOT NULL,
    started_at  timestamptz,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- For expired_batches.
CREATE INDEX batches_lease ON batches (lease_until);

-- The key lets the same attempt be written twice (a commit whose answer was lost) and kept once.
CREATE TABLE attempts (
    message_id  uuid NOT NULL,
    try         smallint NOT NULL,
    batch_id    uuid NOT NULL,
    consumer    text NOT NULL,
    started_at  timestamptz NOT NULL,
    duration    double precision NOT NULL,
    outcome     attempt_outcome NOT NULL,
    status_code integer,
    error       text,
    answer      text,
    PRIMARY KEY (message_id, started_at)
) PARTITION BY RANGE (started_at);
COMMENT ON COLUMN attempts.duration IS 'seconds';

CREATE TABLE idempotency_keys (
    user_id     uuid,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    message_id  uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_once UNIQUE NULLS NOT DISTINCT (user_id, key)
);
-- For forget_idempotency_keys.
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- The smallest UUIDv7 of a moment: its first 48 bits are the Unix time in milliseconds (RFC 9562, section 5.7).
CREATE FUNCTION uuid_from_time(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- Makes the partitions that hold [from_time, until_time): messages by week (Monday, UTC), attempts by day.
-- LIKE and ATTACH rather than PARTITION OF, which would lock out every reader and writer of the parent.
CREATE FUNCTION make_partitions(from_time timestamptz, until_time timestamptz) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    lower_bound timestamptz;
    upper_bound timestamptz;
    partition   text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tidings.partitions', 0));
    lower_bound := date_trunc('week', from_time, 'UTC');
    WHILE lower_bound < until_time LOOP
        upper_bound := lower_bound + interval '168 hours';
        partition := 'messages_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING ALL)', partition);
            EXECUTE format(
                'ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, uuid_from_time(lower_bound), uuid_from_time(upper_bound)
            );
            RETURN NEXT partition;
        END IF;
        lower_bound := upper_bound;
    END LOOP;
    lower_bound := date_trunc('day', from_time, 'UTC');
    WHILE lower_bound < until_time LOOP
        upper_bound := lower_bound + interval '24 hours';
        partition := 'attempts_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE attempts INCLUDING ALL)', partition);
            EXECUTE format(
                'ALTER TABLE attempts ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, lower_bound, upper_bound
            );
            RETURN NEXT partition;
        END IF;
        lower_bound := upper_bound;
    END LOOP;
END $$;

SELECT make_partitions(now() - interval '1 day', now() + interval '7 days');
