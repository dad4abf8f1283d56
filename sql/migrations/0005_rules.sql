-- Rules that several statements followed, each in one place.

-- Every change of a message's status passes two triggers on `messages`. No statement wakes anybody by itself.
--
-- `messages_transition` (0001) refuses an arrow that docs/states.md does not have. It stays a row trigger: its WHEN is
-- evaluated natively, and its function runs only to refuse.
-- `messages_changed` runs once a statement over the rows as they are now. It wakes the producers; whatever else has to
-- happen when a status changes belongs there too. A statement that names a partition, and not `messages`, passes the row
-- trigger alone and wakes nobody: nothing here does that, and by hand a producer finds such a message at its next poll.
--
-- Measured, CPU of the backend for (insert of 500, claim of 1,000, record of 500), in ms, without any of it 2.81, 8.48,
-- 7.08: with a NOTIFY written in each statement, as before, 2.85, 8.57, 7.08; with these triggers 3.03, 9.01, 7.25, which
-- is 0.4 µs a row. Rejected: arrows checked in the statement trigger too, by a join of the old rows with the new ones:
-- 3.06, 9.42, 7.58, and nothing refuses an update that names a partition.

CREATE FUNCTION messages_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz;
BEGIN
    SELECT min(due_at) INTO first FROM changed WHERE status IN ('pending', 'failed');
    IF first IS NOT NULL THEN
        PERFORM pg_notify('tidings_due', concat_ws(' ', extract(epoch FROM first - now()), extract(epoch FROM first)));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER messages_inserted AFTER INSERT ON messages
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION messages_changed();
CREATE TRIGGER messages_updated AFTER UPDATE ON messages
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION messages_changed();

-- Whoever changes what a producer knows of a queue notifies it. (A claim writes the other columns.)
CREATE FUNCTION queue_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tidings_queues', NEW.name);
    RETURN NULL;
END $$;

CREATE TRIGGER queue_changed AFTER INSERT OR UPDATE OF active, interval_seconds, batch_size ON queues
FOR EACH ROW EXECUTE FUNCTION queue_changed();

-- When the next interval of a paced queue may begin; null where it has no pace or has had no interval yet: at any time.
CREATE FUNCTION next_tick(queue queues) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT queue.last_claimed_at + make_interval(secs => nullif(queue.interval_seconds, 0))
$$;

-- When a message of a queue that is on may be claimed at the earliest: at its due time, or with the next tick of a queue
-- whose allowance (`credit`; without a limit all that was due when the interval began) is spent. As in paced_ticks.
CREATE FUNCTION claimable_at(queue queues, due_at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN next_tick(queue) IS NULL THEN due_at
        WHEN CASE WHEN queue.batch_size IS NULL THEN due_at <= queue.last_claimed_at ELSE queue.credit > 0 END THEN due_at
        ELSE greatest(due_at, next_tick(queue))
    END
$$;
