-- concurrently
-- For count_use: what waits of a user's. Messages of the operator's own belong to no user and cost nothing here.
CREATE INDEX messages_waiting_of_user ON messages (user_id)
    WHERE user_id IS NOT NULL AND status IN ('pending', 'failed');
