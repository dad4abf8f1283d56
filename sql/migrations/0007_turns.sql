-- Fair claims: the users of a queue take turns, and what is in quarantine waits apart.
--
-- `share` says whose turn a message takes: a number made of its user or its fairness key (tidings/domain/turns.py), 0
-- for what nobody in particular has sent. What has been lost with its consumer too often waits under ~share, which is
-- negative, so that it is in nobody's way.
--
-- The number stands between priority and due time in the index, where two bytes were padding: neither a message nor an
-- entry of the index grows. Rejected: a second index beside messages_due; a window of the oldest due messages, which a
-- flood fills; a table of who waits, which every insert of a user would have to lock.

ALTER TABLE messages ADD COLUMN share smallint NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN may_prioritize boolean NOT NULL DEFAULT false;
ALTER TABLE batches ADD COLUMN quarantined boolean NOT NULL DEFAULT false;
UPDATE messages SET share = -1 WHERE status IN ('pending', 'failed') AND recoveries >= 2;

-- For claim and waiting: one short range scan for each share that has something due, whatever else the table holds.
CREATE INDEX messages_turns ON messages (queue, priority, share, due_at, id) WHERE status IN ('pending', 'failed');
DROP INDEX messages_due;

-- The third word tells in which claim lanes messages wait now (priority:queue:share), or * where they are many.
CREATE OR REPLACE FUNCTION messages_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz;
    lanes text;
BEGIN
    SELECT
        min(claim_lane.due_at),
        CASE WHEN count(*) <= 100 THEN string_agg(concat_ws(':', priority, queue, share), ',') ELSE '*' END
    INTO first, lanes
    FROM (
        SELECT priority, queue, share, min(due_at) AS due_at
        FROM changed
        WHERE status IN ('pending', 'failed')
        GROUP BY priority, queue, share
    ) AS claim_lane;
    IF first IS NOT NULL THEN
        PERFORM pg_notify(
            'tidings_due', concat_ws(' ', extract(epoch FROM first - now()), extract(epoch FROM first), lanes)
        );
    END IF;
    RETURN NULL;
END $$;
