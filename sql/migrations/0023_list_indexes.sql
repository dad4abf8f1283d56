-- concurrently
-- For lists and bulk changes (sql/lists.py). What stays of a message is 28 bytes by its recipient, 10 by its channel, and 10
-- by its queue unless that is `default`, which is no rare one. A message is written to them when it comes and when it ends,
-- or only then, and not between; the others hold only what waits, and what failed. Rejected: the same with the id in full
-- and of every state, 190 bytes a message and a third more WAL.
CREATE INDEX messages_ended_to ON messages (recipient_key(recipient, id)) WHERE status IN ('sent', 'cancelled');
CREATE INDEX messages_waiting_to ON messages (hashtext(recipient), id) WHERE status IN ('pending', 'failed');
CREATE INDEX messages_of_channel ON messages (name_key(channel, id)) WHERE status <> 'processing';
CREATE INDEX messages_in_queue ON messages (name_key(queue, id)) WHERE status <> 'processing' AND queue <> 'default';
CREATE INDEX messages_not_sent ON messages (status, id) WHERE status IN ('failed', 'cancelled');
