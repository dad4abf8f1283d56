-- concurrently
-- For count_held and wake_held: holds only what is held, so it costs other messages nothing.
CREATE INDEX messages_held ON messages (held_reason, held_since)
    WHERE held_reason IS NOT NULL AND status IN ('pending', 'failed');
