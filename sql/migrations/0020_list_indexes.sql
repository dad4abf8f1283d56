-- concurrently
-- For lists and bulk changes (sql/lists.py). What is written once, when a message has ended, stays: 28 bytes a message by
-- its recipient, 9 by its channel, 9 by its queue unless that is `default`, which is no rare one. The others hold only
-- what waits, and what failed. Rejected: the same with the id in full and of every state, 190 bytes a message and a third
-- more WAL, since each of the three versions of a message is written to each index.
CREATE INDEX messages_ended_to ON messages (recipient_key(recipient, id)) WHERE status IN ('sent', 'cancelled');
CREATE INDEX messages_waiting_to ON messages (hashtext(recipient), id) WHERE status IN ('pending', 'failed');
CREATE INDEX messages_ended_of_channel ON messages (name_key(channel, id)) WHERE status IN ('sent', 'cancelled');
CREATE INDEX messages_ended_in_queue ON messages (name_key(queue, id))
    WHERE status IN ('sent', 'cancelled') AND queue <> 'default';
CREATE INDEX messages_not_sent ON messages (status, id) WHERE status IN ('failed', 'cancelled');
