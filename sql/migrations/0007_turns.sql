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

-- The index is 0008's. Rejected: an UPDATE of what is in quarantine now, which reads all that waits while writers stand
-- still. Such a message, or one that a process of the version before brings back, travels in tens once more.

-- The third word tells in which turns messages wait now (priority:queue:share), or * where they are many. On a channel of
-- its own: a producer of the version before, which runs until it is replaced, knows two words, and polls once a second.
CREATE OR REPLACE FUNCTION messages_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz;
    turns text;
BEGIN
    SELECT
        min(turn.due_at),
        CASE WHEN count(*) <= 100 THEN string_agg(concat_ws(':', priority, queue, share), ',') ELSE '*' END
    INTO first, turns
    FROM (
        SELECT priority, queue, share, min(due_at) AS due_at
        FROM changed
        WHERE status IN ('pending', 'failed')
        GROUP BY priority, queue, share
    ) AS turn;
    IF first IS NOT NULL THEN
        PERFORM pg_notify(
            'tidings_turns', concat_ws(' ', extract(epoch FROM first - now()), extract(epoch FROM first), turns)
        );
    END IF;
    RETURN NULL;
END $$;
