-- name: create_api_key(id, user_id, name, prefix, hash, channels)^
-- A key for a program; only its hash is kept.
INSERT INTO api_keys (id, user_id, name, prefix, hash, channels)
VALUES (:id, :user_id, :name, :prefix, :hash, :channels)
RETURNING {api_key_columns};

-- name: list_api_keys(user_id)
-- The keys of a user, oldest first, revoked ones too.
SELECT {api_key_columns}
FROM api_keys
WHERE user_id = :user_id
ORDER BY id;

-- name: find_api_key(prefix)^
-- The key with this prefix, unless it was revoked.
SELECT {api_key_columns}
FROM api_keys
WHERE prefix = :prefix AND revoked_at IS NULL;

-- name: revoke_api_key(id, user_id)^
-- From now on the key is no longer good; no row where the user has none of this id.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
WHERE id = :id AND user_id = :user_id
RETURNING {api_key_columns};

-- name: touch_api_keys(ids)!
-- The keys were used; to the minute, so that a busy key does not write its row again and again.
UPDATE api_keys SET last_used_at = now()
WHERE id = ANY(:ids::uuid[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
