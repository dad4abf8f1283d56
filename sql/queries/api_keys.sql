-- name: create_api_key(id, user_id, name, prefix, hash, role, scopes, channels, granted, queues, expires_at, parent_id, kept, most)^
-- A key for a program; only its hash is kept. No row where its user has the most that are good. Of those that are not good
-- any more, only the newest are kept.
WITH good AS (
    SELECT count(*) AS keys FROM api_keys
    WHERE user_id = :user_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
),
forgotten AS (
    DELETE FROM api_keys
    WHERE id IN (
        SELECT id FROM api_keys
        WHERE user_id = :user_id AND (revoked_at IS NOT NULL OR expires_at <= now())
        ORDER BY id DESC
        OFFSET :kept
    )
)
INSERT INTO api_keys (
    id, user_id, name, prefix, hash, role, scopes, channels, granted, queues, expires_at, parent_id
)
SELECT
    :id, :user_id, :name, :prefix, :hash, :role::text::user_role, :scopes::text[], :channels::text[], :granted::boolean,
    :queues::text[], :expires_at::timestamptz, :parent_id::uuid
FROM good
WHERE keys < :most::bigint
RETURNING {api_key_columns};

-- name: list_api_keys(user_id)
-- The keys of a user, oldest first, those too that are not good any more.
SELECT {api_key_columns}
FROM api_keys
WHERE user_id = :user_id
ORDER BY id;

-- name: find_api_key(prefix)^
-- The key with this prefix, unless it has ended, or one has from which it comes; or the user of one of them is disabled:
-- an admin's key makes keys of other users.
WITH RECURSIVE line AS (
    SELECT parent_id, user_id, revoked_at, expires_at FROM api_keys WHERE prefix = :prefix
    UNION ALL
    SELECT maker.parent_id, maker.user_id, maker.revoked_at, maker.expires_at
    FROM line
    JOIN api_keys AS maker ON maker.id = line.parent_id
)
SELECT {api_key_columns}
FROM api_keys
WHERE prefix = :prefix AND NOT EXISTS (
    SELECT FROM line
    JOIN users ON users.id = line.user_id
    WHERE line.revoked_at IS NOT NULL OR line.expires_at <= now() OR users.disabled_at IS NOT NULL
);

-- name: revoke_api_key(id, user_id)
-- From now on the key and those that come from it are no longer good; it comes first. No row where the user has none of
-- this id.
WITH RECURSIVE line AS (
    SELECT id, 0 AS depth FROM api_keys WHERE id = :id AND user_id = :user_id
    UNION ALL
    SELECT made.id, line.depth + 1
    FROM line
    JOIN api_keys AS made ON made.parent_id = line.id
),
revoked AS (
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
    WHERE id IN (SELECT id FROM line)
    RETURNING {api_key_columns}
)
SELECT revoked.* FROM revoked JOIN line USING (id) ORDER BY line.depth;

-- name: touch_api_keys(ids)!
-- The keys were used; to the minute, so that a busy key does not write its row again and again.
UPDATE api_keys SET last_used_at = now()
WHERE id = ANY(:ids::uuid[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
