-- What partitions need to live for months: vacuum that suits their size, and room made in those that have to stay.

-- A message leaves two dead rows. By its default, vacuum waits until a fifth of a table is dead, which in a large week is
-- never; what is dead makes claims slower and the table twice as large. A whole partition is not read for it: what is
-- visible to all is passed over. (A partitioned table itself can have no such settings.)
CREATE FUNCTION set_autovacuum(partition regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000,'
        ' autovacuum_vacuum_cost_delay = 0)',
        partition
    );
END $$;

SELECT set_autovacuum(inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'messages'::regclass AND NOT inhdetachpending;

-- As in 0011, with set_autovacuum.
CREATE OR REPLACE FUNCTION make_partitions(from_time timestamptz, until_time timestamptz) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    lower_bound timestamptz;
    upper_bound timestamptz;
    parent      text;
    partition   text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tidings.partitions', 0));
    lower_bound := date_trunc('week', from_time, 'UTC');
    WHILE lower_bound < until_time LOOP
        upper_bound := lower_bound + interval '168 hours';
        FOREACH parent IN ARRAY ARRAY['messages', 'mail_parts'] LOOP
            partition := parent || '_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD');
            IF to_regclass(partition) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
                IF parent = 'messages' THEN
                    PERFORM set_autovacuum(partition);
                END IF;
                EXECUTE format(
                    'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    parent, partition, uuid_from_time(lower_bound), uuid_from_time(upper_bound)
                );
                RETURN NEXT partition;
            END IF;
        END LOOP;
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

-- Leaves in a partition of `messages` that outlived its retention only what still waits, such as a message that is due
-- in a year. Ids stay, and with them the partition, which is small from then on; it goes with its last message.
-- Returns whether it did: not where a message is on its way, whose outcome must find it; not where more than `most` wait
-- or more than `most_bytes`, for everybody waits until they are written again; and not where too little would be gained.
-- Rejected: to detach it and attach another, which hides what waits from everybody for as long as any transaction is open;
-- a second table for what is due late, in which every look-up, list and change would have to look too.
CREATE FUNCTION keep_waiting(partition regclass, most integer, most_bytes bigint, least_gain bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    waiting text := format(
        'SELECT * FROM %s AS kept WHERE status IN (''pending'', ''failed'') AND queue >= '''' LIMIT %s', partition, most + 1
    );
    rows    bigint;
    bytes   bigint;
    busy    boolean;
BEGIN
    EXECUTE format('SELECT count(*), coalesce(sum(500 + pg_column_size(content)), 0) FROM (%s) AS each', waiting)
    INTO rows, bytes;
    IF rows > most OR bytes > most_bytes OR pg_table_size(partition) < 2 * bytes + least_gain THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE status = ''processing'' AND batch_id IS NOT NULL)', partition)
    INTO busy;
    IF busy THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE still_waiting ON COMMIT DROP AS %s', waiting);
    GET DIAGNOSTICS rows = ROW_COUNT;
    IF rows > most THEN
        RETURN false;
    END IF;
    EXECUTE format('TRUNCATE %s', partition);
    EXECUTE format('INSERT INTO %s SELECT * FROM still_waiting', partition);
    RETURN true;
END $$;

-- The same for what is kept beside the mails of such a partition: only what belongs to a message that is still there.
CREATE FUNCTION keep_parts(partition regclass, messages regclass, most_bytes bigint, least_gain bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    needed text := format(
        'SELECT kept.* FROM %s AS waiting JOIN %s AS kept ON kept.message_id = waiting.id WHERE waiting.mail_bytes IS NOT NULL',
        messages, partition
    );
    bytes  bigint;
BEGIN
    EXECUTE format('SELECT coalesce(sum(pg_column_size(parts) + pg_column_size(files)), 0) FROM (%s) AS each', needed)
    INTO bytes;
    IF bytes > most_bytes OR pg_table_size(partition) < 2 * bytes + least_gain THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
    EXECUTE format('CREATE TEMPORARY TABLE still_needed ON COMMIT DROP AS %s', needed);
    EXECUTE format('TRUNCATE %s', partition);
    EXECUTE format('INSERT INTO %s SELECT * FROM still_needed', partition);
    RETURN true;
END $$;

-- What lists and bulk changes find messages by. These are functions, since that makes an index of eight bytes an entry, in
-- which the order of time goes on, to the second instead of by all 16 bytes of an id.

-- The Unix time of a UUIDv7 in milliseconds.
CREATE FUNCTION uuid_milliseconds(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint;

-- In the order of time, those of a queue or a channel together: a hash of its name, then the seconds.
CREATE FUNCTION name_key(name text, id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashtext(name)::bigint << 32) | ((uuid_milliseconds(id) >> 10) & 4294967295);

-- The same for a recipient within each span of 2^25 ms (9.3 h): the span, 28 bits of a hash, then the 8 s. There are
-- nearly as many recipients as messages, and each would be written to another page of all of a week's; so of a span's.
CREATE FUNCTION span_of(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN uuid_milliseconds(id) >> 25;
CREATE FUNCTION recipient_key(span bigint, recipient text, rest bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (span << 40) | ((hashtext(recipient) & 268435455)::bigint << 12) | rest;
CREATE FUNCTION recipient_key(recipient text, id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN recipient_key(span_of(id), recipient, (uuid_milliseconds(id) >> 13) & 4095);
