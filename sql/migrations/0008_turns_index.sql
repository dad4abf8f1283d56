-- concurrently
-- For claim and waiting: one short range scan for each share that has something due, whatever else the table holds.
CREATE INDEX messages_turns ON messages (queue, priority, share, due_at, id) WHERE status IN ('pending', 'failed');
-- A claim of the version before goes on without it, and sorts what is due.
DROP INDEX messages_due;
