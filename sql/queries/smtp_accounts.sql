-- name: lock_user(id)$
-- Locks a user first, as a change of `users` does, so that nobody waits for the other; null where there is none.
SELECT id FROM users WHERE id = :id FOR UPDATE;

-- name: list_smtp_accounts(user_id)
-- A user's SMTP accounts, the default first.
SELECT {smtp_account_columns}
FROM smtp_accounts
WHERE user_id = :user_id
ORDER BY is_default DESC, name;

-- name: put_smtp_account(user_id, name, id, is_default, host, port, tls, username, password, token_url, client_id, client_secret, refresh_token, from_address, from_name, per_hour, max_connections)!
-- Keeps an account, in the place of the one of that name.
INSERT INTO smtp_accounts (
    user_id, name, id, is_default, host, port, tls, username, password, token_url, client_id, client_secret,
    refresh_token, from_address, from_name, per_hour, max_connections
)
VALUES (
    :user_id, :name, :id, :is_default, :host, :port, :tls, :username, :password, :token_url, :client_id, :client_secret,
    :refresh_token, :from_address, :from_name, :per_hour, :max_connections
)
ON CONFLICT (user_id, name) DO UPDATE SET
    id = excluded.id, is_default = excluded.is_default, host = excluded.host, port = excluded.port, tls = excluded.tls,
    username = excluded.username, password = excluded.password, token_url = excluded.token_url,
    client_id = excluded.client_id, client_secret = excluded.client_secret, refresh_token = excluded.refresh_token,
    from_address = excluded.from_address, from_name = excluded.from_name, per_hour = excluded.per_hour,
    max_connections = excluded.max_connections;

-- name: clear_default_account(user_id, name)!
-- Another account than this one is no longer the default.
UPDATE smtp_accounts SET is_default = false WHERE user_id = :user_id AND is_default AND name <> :name;

-- name: delete_smtp_account(user_id, name)^
-- Deletes an account and returns it; no row where there is none.
DELETE FROM smtp_accounts
WHERE user_id = :user_id AND name = :name
RETURNING {smtp_account_columns};

-- name: user_mended(id)!
-- Notifies the consumers as a change of the user does.
SELECT pg_notify('tidings_users', :id::uuid::text);

-- name: refresh_token(id)$
-- The refresh token of an account as it is now; null where the account has been replaced.
SELECT refresh_token FROM smtp_accounts WHERE id = :id;

-- name: rotate_refresh_token(id, old, new)!
-- What a token server gave in the place of a refresh token, unless another process was first.
UPDATE smtp_accounts SET refresh_token = :new WHERE id = :id AND refresh_token = :old;

-- name: sealed_smtp_secrets(after, limit)
-- A page of what is kept encrypted of accounts.
SELECT id, user_id, password, client_secret, refresh_token
FROM smtp_accounts
WHERE id > :after AND num_nonnulls(password, refresh_token) > 0
ORDER BY id
LIMIT :limit;

-- name: reseal_smtp_secrets(ids, passwords, client_secrets, refresh_tokens, new_passwords, new_client_secrets, new_refresh_tokens)$
-- Puts new ciphertexts in the place of old ones, but not where one was changed meanwhile; returns the count of accounts.
WITH resealed AS (
    UPDATE smtp_accounts SET
        password = new_password,
        client_secret = new_client_secret,
        refresh_token = new_refresh_token
    FROM unnest(
        :ids::uuid[], :passwords::bytea[], :client_secrets::bytea[], :refresh_tokens::bytea[],
        :new_passwords::bytea[], :new_client_secrets::bytea[], :new_refresh_tokens::bytea[]
    ) AS old (
        account_id, old_password, old_client_secret, old_refresh_token, new_password, new_client_secret,
        new_refresh_token
    )
    WHERE
        id = account_id
        AND password IS NOT DISTINCT FROM old_password
        AND client_secret IS NOT DISTINCT FROM old_client_secret
        AND refresh_token IS NOT DISTINCT FROM old_refresh_token
    RETURNING 1
)
SELECT count(*) FROM resealed;
