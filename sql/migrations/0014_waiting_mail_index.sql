-- concurrently
-- For cancel_suppressed: mail that waits, by its address. Costs other channels nothing.
CREATE INDEX messages_waiting_mail ON messages (lower(recipient COLLATE "C"))
    WHERE channel = 'email' AND status IN ('pending', 'failed');
