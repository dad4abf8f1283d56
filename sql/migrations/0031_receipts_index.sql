-- concurrently
-- For record_receipts and join_receipts: 4 bytes of a hash, whatever the provider's ids are like, and nothing of messages
-- that went through no gateway of a table `gateways`. A message is written to it once, when it is sent.
CREATE INDEX messages_at_gateway ON messages USING hash (provider_message_id) WHERE gateway IS NOT NULL;
