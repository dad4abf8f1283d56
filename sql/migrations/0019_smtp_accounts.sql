-- Several SMTP accounts for a user, one of them the default. What `users` has of that one stays filled, for processes
-- that know no others: each of the two tables follows what is written to the other.

-- By which account of its user a mail goes; null, which costs nothing: the default.
ALTER TABLE messages ADD COLUMN account text;

CREATE TABLE smtp_accounts (
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    id              uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    is_default      boolean NOT NULL,
    host            text NOT NULL,
    port            integer NOT NULL,
    tls             text CHECK (tls IN ('starttls', 'implicit', 'none')),
    username        text,
    password        bytea,  -- this and the next two secrets encrypted
    token_url       text,
    client_id       text,
    client_secret   bytea,
    refresh_token   bytea,
    from_address    text,
    from_name       text NOT NULL DEFAULT '',
    per_hour        integer CHECK (per_hour > 0),
    max_connections integer CHECK (max_connections > 0),
    PRIMARY KEY (user_id, name),
    CONSTRAINT oauth_whole CHECK (
        num_nonnulls(token_url, client_id, refresh_token) IN (0, 3)
        AND (token_url IS NOT NULL OR client_secret IS NULL)
        AND (token_url IS NULL OR password IS NULL)
    )
);
COMMENT ON COLUMN smtp_accounts.id IS 'another one each time the account is replaced, so that nothing of before is used';
CREATE UNIQUE INDEX smtp_accounts_default ON smtp_accounts (user_id) WHERE is_default;

-- A change of the default account, to `users`, whose own trigger notifies the consumers; of another one, to them.
CREATE FUNCTION smtp_account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid := coalesce(NEW.user_id, OLD.user_id);
BEGIN
    -- At a greater depth it was `users` that changed, or is going.
    IF pg_trigger_depth() = 1 AND (coalesce(NEW.is_default, false) OR coalesce(OLD.is_default, false)) THEN
        UPDATE users SET (smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls) = (
            SELECT host, port, username, password, tls FROM smtp_accounts WHERE user_id = owner AND is_default
        )
        WHERE id = owner;
    ELSE
        PERFORM pg_notify('tidings_users', owner::text);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER smtp_account_changed AFTER INSERT OR UPDATE OR DELETE ON smtp_accounts
FOR EACH ROW EXECUTE FUNCTION smtp_account_changed();

-- What is written to `users` replaces how the default account logs in, and leaves its other fields.
CREATE FUNCTION smtp_of_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.smtp_host IS NULL THEN
        DELETE FROM smtp_accounts WHERE user_id = NEW.id AND is_default;
        RETURN NULL;
    END IF;
    UPDATE smtp_accounts SET
        id = gen_random_uuid(), host = NEW.smtp_host, port = NEW.smtp_port, tls = NEW.smtp_tls,
        username = NEW.smtp_username, password = NEW.smtp_password,
        token_url = NULL, client_id = NULL, client_secret = NULL, refresh_token = NULL
    WHERE user_id = NEW.id AND is_default;
    IF NOT FOUND THEN
        -- In the place of another one of that name, where there is one.
        DELETE FROM smtp_accounts WHERE user_id = NEW.id AND name = 'default';
        INSERT INTO smtp_accounts (user_id, name, is_default, host, port, tls, username, password)
        VALUES (
            NEW.id, 'default', true, NEW.smtp_host, NEW.smtp_port, NEW.smtp_tls, NEW.smtp_username, NEW.smtp_password
        );
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER smtp_of_new_user AFTER INSERT ON users
FOR EACH ROW WHEN (NEW.smtp_host IS NOT NULL AND pg_trigger_depth() = 0)
EXECUTE FUNCTION smtp_of_user_changed();

CREATE TRIGGER smtp_of_user_changed AFTER UPDATE OF smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls ON users
FOR EACH ROW WHEN (
    pg_trigger_depth() = 0
    AND (OLD.smtp_host, OLD.smtp_port, OLD.smtp_username, OLD.smtp_password, OLD.smtp_tls)
    IS DISTINCT FROM (NEW.smtp_host, NEW.smtp_port, NEW.smtp_username, NEW.smtp_password, NEW.smtp_tls)
)
EXECUTE FUNCTION smtp_of_user_changed();

INSERT INTO smtp_accounts (user_id, name, is_default, host, port, tls, username, password)
SELECT id, 'default', true, smtp_host, smtp_port, smtp_tls, smtp_username, smtp_password
FROM users
WHERE smtp_host IS NOT NULL;
