-- What accounts need: who may use which channel, how their mail and webhooks are sent, and keys for programs.

ALTER TABLE users
    -- True where the account's server offers no TLS; also needs SMTP_ALLOW_PLAINTEXT.
    ADD COLUMN smtp_plaintext boolean NOT NULL DEFAULT false,
    ADD COLUMN channels text[],
    -- Encrypted, as smtp_password is.
    ADD COLUMN webhook_secret bytea,
    ADD COLUMN previous_webhook_secret bytea,
    ADD COLUMN previous_webhook_secret_until timestamptz,
    -- Part of every bearer token; a new password counts it up, and older tokens are no longer good.
    ADD COLUMN token_version integer NOT NULL DEFAULT 0,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT smtp_whole CHECK (
        (smtp_host IS NULL) = (smtp_port IS NULL)
        AND (smtp_host IS NOT NULL OR (smtp_username IS NULL AND smtp_password IS NULL AND NOT smtp_plaintext))
    );
COMMENT ON COLUMN users.channels IS 'null: those of USER_CHANNELS';
COMMENT ON COLUMN users.previous_webhook_secret IS
'signs too until previous_webhook_secret_until; null in that time: WEBHOOK_SIGNING_SECRET does';

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    prefix       text NOT NULL UNIQUE,  -- the part of a key that is no secret, by which it is found
    hash         bytea NOT NULL CHECK (octet_length(hash) = 32),  -- SHA-256 of the whole key
    channels     text[],
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON COLUMN api_keys.channels IS 'null: those of its user';
-- For list_api_keys: a user's own, in the order of their ids, which is that of time.
CREATE INDEX api_keys_user ON api_keys (user_id, id);

-- For list_user_messages. Messages of the operator's own belong to no user and cost nothing here.
CREATE INDEX messages_user ON messages (user_id, id) WHERE user_id IS NOT NULL;
