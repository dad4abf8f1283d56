-- name: create_user(id, email, password_hash, role, channels, proven, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls)^
-- A new user; no row where the e-mail address is taken.
INSERT INTO users (
    id, email, password_hash, role, channels, proven_at, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls
)
VALUES (
    :id, :email, :password_hash, :role::text::user_role, :channels, CASE WHEN :proven::boolean THEN now() END,
    :smtp_host, :smtp_port, :smtp_username, :smtp_password, :smtp_tls
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

-- name: update_user(id, email, password_hash, role, may_prioritize, revoke_keys)^
-- Changes what is not null. A new password makes older bearer tokens void, and all API keys where that is wanted; a new
-- e-mail address has yet to be proven.
WITH revoked AS (
    UPDATE api_keys SET revoked_at = now() WHERE user_id = :id AND revoked_at IS NULL AND :revoke_keys::boolean
)
UPDATE users SET
    email = coalesce(:email, email),
    proven_at = CASE WHEN lower(:email) <> lower(email) THEN NULL ELSE proven_at END,
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

-- name: prove_user(id, address)^
-- A user's e-mail address is known to be theirs; null: whichever it is. No row where it is another one meanwhile.
UPDATE users SET proven_at = coalesce(proven_at, now()), updated_at = now()
WHERE id = :id AND lower(email) = lower(coalesce(:address, email)) AND (:address IS NULL OR disabled_at IS NULL)
RETURNING {user_columns};

-- name: doubt_user(id)^
-- Nobody knows (any more) that a user's e-mail address is theirs.
UPDATE users SET proven_at = NULL, updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: reset_password(id, address, token_version, password_hash)^
-- Another password for who has the mail with the link, once: it counts up the version that the link names. That proves the
-- address; where it was not proven, a stranger may have made the account, whose keys end.
WITH meant AS MATERIALIZED (
    SELECT id AS user_id, proven_at IS NULL AS doubtful FROM users
    WHERE
        id = :id
        AND token_version = :token_version
        AND lower(email) = lower(:address)
        AND disabled_at IS NULL
    FOR UPDATE
),
revoked AS (
    UPDATE api_keys SET revoked_at = now()
    FROM meant
    WHERE api_keys.user_id = meant.user_id AND meant.doubtful AND revoked_at IS NULL
)
UPDATE users SET
    password_hash = :password_hash,
    token_version = token_version + 1,
    proven_at = coalesce(proven_at, now()),
    updated_at = now()
WHERE id = (SELECT user_id FROM meant)
RETURNING {user_columns};

-- name: count_mail(id, most, message_id, known)$
-- Counts a mail about an account; null where there were as many in the last hour.
UPDATE users SET
    mail_ids = (mail_ids || :message_id::uuid)[greatest(cardinality(mail_ids) + 2 - :known::integer, 1):],
    mails = CASE WHEN mails_since > now() - interval '1 hour' THEN mails + 1 ELSE 1 END,
    mails_since = CASE WHEN mails_since > now() - interval '1 hour' THEN mails_since ELSE now() END
WHERE id = :id AND (mails < :most OR mails_since IS NULL OR mails_since <= now() - interval '1 hour')
RETURNING true;

-- name: disable_user(id)^
-- From now on no credential of a user is good: bearer tokens for ever, API keys until the user is enabled again.
UPDATE users SET
    disabled_at = coalesce(disabled_at, now()),
    token_version = token_version + (disabled_at IS NULL)::integer,
    wake_until = NULL,
    updated_at = now()
WHERE id = :id
RETURNING {user_columns};

-- name: enable_user(id, waking)^
-- The opposite; no row where the user is being deleted. For so long what waited is made due, since a consumer that has not
-- heard of it yet goes on holding messages.
UPDATE users SET
    wake_until = CASE WHEN disabled_at IS NOT NULL THEN now() + :waking::interval ELSE wake_until END,
    disabled_at = NULL,
    updated_at = now()
WHERE id = :id AND NOT deleting
RETURNING {user_columns};

-- name: to_wake(limit)
-- Users who were enabled lately.
SELECT id, wake_until, wake_until <= now() AS over
FROM users
WHERE wake_until IS NOT NULL
ORDER BY id
LIMIT :limit;

-- name: wake_enabled(user_id, seconds, limit)$
-- Messages that waited because their user was disabled are due in so many seconds; returns the count.
WITH chosen AS (
    SELECT id FROM messages
    WHERE
        user_id = :user_id
        AND held_reason = 'disabled'
        AND status IN ('pending', 'failed')
        AND due_at > now() + make_interval(secs => :seconds)
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
woken AS (
    UPDATE messages SET due_at = now() + make_interval(secs => :seconds)
    FROM chosen WHERE messages.id = chosen.id
    RETURNING 1
)
SELECT count(*) FROM woken;

-- name: woken(id, wake_until)!
-- A user's messages need no more waking, unless the user was disabled and enabled again meanwhile.
UPDATE users SET wake_until = NULL WHERE id = :id AND wake_until = :wake_until;

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
    disabled_at IS NOT NULL AS disabled, proven_at IS NOT NULL AS proven, {smtp_account_columns}
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
