-- concurrently
-- For events_after.
CREATE INDEX events_by_sequence ON events (owner, sequence) WHERE sequence IS NOT NULL;
