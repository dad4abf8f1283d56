-- name: begin_session(kept, user_id, id, expires_at, address, client, token_version)$
-- A new session; null where the password was changed meanwhile. Of the user's others only the newest are kept.
WITH crowded_out AS (
    DELETE FROM sessions
    WHERE id IN (SELECT id FROM sessions WHERE user_id = :user_id ORDER BY id DESC OFFSET :kept)
)
INSERT INTO sessions (id, user_id, expires_at, address, client)
SELECT :id, users.id, :expires_at::timestamptz, :address::text, :client::text
FROM users
WHERE users.id = :user_id AND token_version = :token_version
RETURNING id;

-- name: find_session(id)^
-- A session that has not ended.
SELECT {session_columns} FROM sessions WHERE id = :id AND expires_at > now();

-- name: list_sessions(user_id, before, limit)
-- A page of a user's sessions, the newest first.
SELECT {session_columns}
FROM sessions
WHERE
    user_id = :user_id
    AND expires_at > now()
    AND id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC
LIMIT :limit;

-- name: end_session(id, user_id)^
-- Ends a session and returns it; no row where it is not this user's.
DELETE FROM sessions
WHERE id = :id AND user_id = :user_id
RETURNING {session_columns};

-- name: end_sessions(user_id)$
-- Ends all sessions of a user, those too of tokens that name none; returns how many there were.
WITH open AS (
    SELECT count(*) AS sessions FROM sessions WHERE user_id = :user_id AND expires_at > now()
)
UPDATE users SET token_version = token_version + 1
FROM open
WHERE id = :user_id
RETURNING sessions;

-- name: touch_sessions(ids)!
-- The sessions were used; to the minute, so that a busy one does not write its row again and again.
UPDATE sessions SET last_used_at = now()
WHERE id = ANY(:ids::uuid[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: forget_sessions(limit)$
-- Forgets up to a limit of the sessions whose time is over; returns the count.
WITH forgotten AS (
    DELETE FROM sessions
    WHERE id IN (SELECT id FROM sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit)
    RETURNING 1
)
SELECT count(*) FROM forgotten;
