-- Held is not failed: why a message waits, and the endpoints that wait for somebody.

-- Null, which costs nothing, but for a message that was sent back. The outcome of each attempt writes both, so a claim
-- need not clear them: while a message is processing they are those of before.
ALTER TABLE messages ADD COLUMN held_reason text, ADD COLUMN held_since timestamptz;

-- What nothing is sent to until somebody releases it; few rows. `user_id` null: nobody's messages go there.
CREATE TABLE holds (
    id         uuid PRIMARY KEY,
    channel    text NOT NULL CHECK (length(channel) <= 64),
    endpoint   text NOT NULL CHECK (octet_length(endpoint) <= 2048),
    user_id    uuid,
    reason     text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    last_error text CHECK (length(last_error) <= 1000),
    CONSTRAINT holds_once UNIQUE NULLS NOT DISTINCT (channel, user_id, endpoint)
);
