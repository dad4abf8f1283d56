-- What a mail has besides its text (HTML, names, further recipients, attachments), beside its message: messages without
-- any of it cost nothing, and lists read none of it.

-- How much that is; null where there is none. For whoever bounds messages by bytes without reading them.
ALTER TABLE messages ADD COLUMN mail_bytes integer;

-- By the same weeks as messages, so that it goes with them.
CREATE TABLE mail_parts (
    message_id uuid PRIMARY KEY,
    parts      jsonb NOT NULL,
    files      bytea NOT NULL,  -- the contents of the attachments, one after the other
    remaining  jsonb            -- the recipients that have not got it yet, where others have
) PARTITION BY RANGE (message_id);
-- What is attached is compressed already, for the most part.
ALTER TABLE mail_parts ALTER COLUMN files SET STORAGE EXTERNAL;

-- Addresses besides their own that a user's mail may be from; @example.com for all of a domain.
ALTER TABLE users ADD COLUMN allowed_from text[] NOT NULL DEFAULT '{}';

-- As in 0001, with mail_parts.
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

SELECT make_partitions(now() - interval '1 day', now() + interval '7 days');
