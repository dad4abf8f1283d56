-- concurrently
-- For record_receipts and join_receipts: 29 bytes a message, whatever the provider's ids are like, and nothing of messages
-- that went through no gateway of the table `gateways`. A message is written to it once, when it is sent. Rejected: an index
-- USING hash, which doubles at times (48 bytes a message at 100,000).
CREATE INDEX messages_at_gateway ON messages (hashtext(provider_message_id))
    WHERE gateway IS NOT NULL AND provider_message_id IS NOT NULL;
