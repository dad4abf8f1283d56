-- Sessions: a login begins one, and a logout, its time or a new password ends it.

CREATE TABLE sessions (
    id           uuid PRIMARY KEY,  -- the `jti` of its bearer token
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    address      text CHECK (length(address) <= 100),
    client       text CHECK (length(client) <= 200),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz
);
-- For list_sessions: a user's own, in the order of their ids, which is that of time.
CREATE INDEX sessions_user ON sessions (user_id, id);
-- For forget_sessions.
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Whatever counts up the version of a user's tokens, from the API or the command line, ends their sessions.
CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE user_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER end_sessions AFTER UPDATE OF token_version ON users
    FOR EACH ROW WHEN (OLD.token_version <> NEW.token_version) EXECUTE FUNCTION end_sessions();
