-- Status events: what became of a message, written by the statement that changes it, for those who want to know.

-- Null, which costs nothing, but for a message whose sender wants its status events at a URL of their own.
ALTER TABLE messages ADD COLUMN callback_url text;

-- What was changed and has not become an event yet: the leading producer empties it several times a second.
CREATE TABLE status_changes (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid,
    type         text NOT NULL,
    callback_url text,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    -- Of a message: what it was then. Columns cost half of what building JSON would, where each message is told of.
    message_id   uuid,
    status       message_status,
    queue        text,
    channel      text,
    recipient    text,
    tries        smallint,
    max_tries    smallint,
    due_at       timestamptz,
    sent_at      timestamptz,
    created_at   timestamptz,
    provider_message_id text,
    cancel_reason cancel_reason,
    last_error   text,
    held_reason  text,
    receipt      text,
    receipt_detail text,
    -- Of anything else.
    data         jsonb
)
-- Emptied all the time, so that it stays a few pages only if that is tidied up as often.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The order of status events. Drawn while they are fanned out, by one at a time (see take_status_changes): who has read
-- up to a number will see no smaller one later.
CREATE SEQUENCE status_event_sequence;
ALTER TABLE events ADD COLUMN sequence bigint;
COMMENT ON COLUMN events.sequence IS 'of status events; null for those that users hand in';

-- Who reads status events rather than have them sent to an endpoint.
CREATE TABLE event_readers (
    owner      uuid PRIMARY KEY,
    user_id    uuid REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN event_readers.owner IS 'the user, or for the operator zero';
-- For the deletion of a user.
CREATE INDEX event_readers_of_user ON event_readers (user_id);

-- For the fragment reported: whoever has an endpoint that takes status events of messages. Usually it is empty, or nearly.
CREATE INDEX endpoints_of_status ON endpoints (owner) WHERE
    disabled_at IS NULL
    AND event_types && ARRAY[
        'message.*', 'message.sent', 'message.delivered', 'message.undelivered', 'message.failed', 'message.cancelled',
        'message.held'
    ];
