-- What an API key may do, until when, and which key made it. Keys from before, where these are null, keep what they had.

ALTER TABLE api_keys
    ADD COLUMN scopes text[],
    ADD COLUMN role user_role,
    ADD COLUMN queues text[],
    -- Whether its channels take the place of its user's, as an admin may give them; else it has those that both have.
    ADD COLUMN granted boolean NOT NULL DEFAULT true,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN parent_id uuid REFERENCES api_keys ON DELETE CASCADE;
COMMENT ON COLUMN api_keys.scopes IS 'null: all of them';
COMMENT ON COLUMN api_keys.role IS 'null: that of its user';
COMMENT ON COLUMN api_keys.queues IS 'null: all of them';
