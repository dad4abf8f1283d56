-- concurrently
-- For wake_enabled: what waits because its user is disabled. Costs other messages nothing.
CREATE INDEX messages_disabled ON messages (user_id)
    WHERE held_reason = 'disabled' AND status IN ('pending', 'failed');
