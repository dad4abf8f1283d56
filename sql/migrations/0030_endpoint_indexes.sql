-- concurrently
-- For what fans out alone; other messages are in none of them.
CREATE INDEX messages_of_event ON messages (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX messages_of_endpoint ON messages (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX messages_waiting_at_endpoint ON messages (endpoint_id)
    WHERE endpoint_id IS NOT NULL AND status IN ('pending', 'failed');
