-- name: create_user(id, email, password_hash, role, channels, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls)^
-- A new user; no row where the e-mail address is taken.
INSERT INTO users (
    id, email, password_hash, role, channels, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls
)
VALUES (
    :id, :email, :password_hash, :role::text::user_role, :channels, :smtp_host, :smtp_port, :smtp_username,
    :smtp_password, :smtp_tls
)
ON CONFLICT (lower(email)) DO NOTHING
RETURNING {user_columns};

-- name: get_user(id)^
-- One user.
SELECT {user_columns}
FROM users
WHERE id = :id;

-- name: find_user(email)^
-- The user with an e-mail address, in whichever case it is written.
SELECT {user_columns}
FROM users
WHERE lower(email) = lower(:email);

-- name: any_user()$
-- Whether there is a user at all.
SELECT EXISTS (SELECT FROM users);

-- name: list_users(after, limit)
-- A page of users, in the order of their ids, which is that of time.
SELECT {user_columns}
FROM users
WHERE id > :after
ORDER BY id
LIMIT :limit;

-- name: rehash_password(new, id, old)!
-- Another hash of the same password, unless the password was changed meanwhile.
UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old;

-- name: update_user(id, email, password_hash, role, may_prioritize)^
-- Changes what is not null. A new password makes older bearer tokens void.
UPDATE users SET
    email = coalesce(:email, email),
    password_hash = coalesce(:password_hash, password_hash),
    token_version = token_version + (:password_hash IS NOT NULL)::integer,
    role = coalesce(:role::text::user_role, role),
    may_prioritize = coalesce(:may_prioritize, may_prioritize),
    updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: set_user_channels(id, channels)^
-- Which channels a user has; null: those of the deployment.
UPDATE users SET channels = :channels, updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: set_allowed_from(id, addresses)^
-- Which addresses besides their own a user's mail may be from.
UPDATE users SET allowed_from = :addresses, updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: set_smtp_account(id, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls)^
-- How a user's mail is sent, replaced as a whole.
UPDATE users SET
    smtp_host = :smtp_host,
    smtp_port = :smtp_port,
    smtp_username = :smtp_username,
    smtp_password = :smtp_password,
    smtp_tls = :smtp_tls,
    updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: rotate_webhook_secret(id, secret, overlap)$
-- A new signing secret; the one before goes on signing for a while. Returns until when, or null for an unknown user.
UPDATE users SET
    webhook_secret = :secret,
    previous_webhook_secret = webhook_secret,
    previous_webhook_secret_until = now() + :overlap::interval,
    updated_at = now()
WHERE id = :id
RETURNING previous_webhook_secret_until;

-- name: senders(ids)
-- What the consumers need of these users to send in their name: a row for each of their SMTP accounts, the default first.
SELECT
    users.id, email, role::text, webhook_secret, previous_webhook_secret, previous_webhook_secret_until, allowed_from,
    {smtp_account_columns}
FROM users
LEFT JOIN smtp_accounts ON user_id = users.id
WHERE users.id = ANY(:ids::uuid[])
ORDER BY users.id, is_default DESC, name;

-- name: sealed_secrets(after, limit)
-- A page of what is kept encrypted, by user.
SELECT id, smtp_password, webhook_secret, previous_webhook_secret
FROM users
WHERE
    id > :after
    AND (smtp_password IS NOT NULL OR webhook_secret IS NOT NULL OR previous_webhook_secret IS NOT NULL)
ORDER BY id
LIMIT :limit;

-- name: reseal_secrets(ids, smtp_passwords, webhook_secrets, previous_webhook_secrets, new_smtp_passwords, new_webhook_secrets, new_previous_webhook_secrets)$
-- Puts new ciphertexts in the place of old ones, but not where the secret was changed meanwhile; returns the count of users.
WITH resealed AS (
    UPDATE users SET
        smtp_password = new_smtp_password,
        webhook_secret = new_webhook_secret,
        previous_webhook_secret = new_previous_webhook_secret
    FROM unnest(
        :ids::uuid[], :smtp_passwords::bytea[], :webhook_secrets::bytea[], :previous_webhook_secrets::bytea[],
        :new_smtp_passwords::bytea[], :new_webhook_secrets::bytea[], :new_previous_webhook_secrets::bytea[]
    ) AS old (
        user_id, old_smtp_password, old_webhook_secret, old_previous_webhook_secret,
        new_smtp_password, new_webhook_secret, new_previous_webhook_secret
    )
    WHERE
        id = user_id
        AND smtp_password IS NOT DISTINCT FROM old_smtp_password
        AND webhook_secret IS NOT DISTINCT FROM old_webhook_secret
        AND previous_webhook_secret IS NOT DISTINCT FROM old_previous_webhook_secret
    RETURNING 1
)
SELECT count(*) FROM resealed;
