-- What the interfaces of the earlier systems need.

-- For list_sent_sms and list_user_sent_sms, which need the order of sending: a message may be sent long after younger
-- ones. Only text messages have such a list, and only they pay: 93 bytes of WAL, 8 % of what a message's way from its
-- claim to its outcome writes. The user is in it so that the index alone tells whose a message is.
CREATE INDEX messages_sent_sms ON messages (sent_at, id, user_id) WHERE status = 'sent' AND channel = 'sms';

ALTER TABLE queues ADD COLUMN paced boolean NOT NULL DEFAULT false;
UPDATE queues SET paced = true WHERE interval_seconds > 0 OR batch_size IS NOT NULL;
COMMENT ON COLUMN queues.paced IS 'somebody has set the pace, so SCHEDULER_INTERVAL leaves it alone';
