-- name: put_audit(id, actor, user_id, key_id, session_id, address, action, subject, owner, detail, created_at)!
-- An entry, or another detail of one: what was done so far.
INSERT INTO audit (id, actor, user_id, key_id, session_id, address, action, subject, owner, detail, created_at)
VALUES (
    :id, :actor, :user_id, :key_id, :session_id, :address, :action, :subject, :owner, :detail::jsonb, :created_at
)
ON CONFLICT (id) DO UPDATE SET detail = excluded.detail;

-- name: list_audit(before, created_from, created_until, action, subject, limit)
-- A page of all entries, the newest first.
SELECT {audit_columns}
FROM audit
WHERE {audit_filter}
ORDER BY id DESC
LIMIT :limit;

-- name: list_user_audit(user_id, before, created_from, created_until, action, subject, limit)
-- A page of what a user did, and of what others did to theirs, the newest first.
SELECT * FROM (
    (
        SELECT {audit_columns} FROM audit
        WHERE user_id = :user_id AND {audit_filter}
        ORDER BY id DESC
        LIMIT :limit
    )
    UNION ALL
    (
        SELECT {audit_columns} FROM audit
        WHERE owner = :user_id AND user_id IS DISTINCT FROM :user_id AND {audit_filter}
        ORDER BY id DESC
        LIMIT :limit
    )
) AS concerning
ORDER BY id DESC
LIMIT :limit;

-- name: forget_audit(moment, limit)$
-- Forgets up to a limit of the entries that are older than a moment; returns the count.
WITH forgotten AS (
    DELETE FROM audit
    WHERE id IN (SELECT id FROM audit WHERE id < uuid_from_time(:moment::timestamptz) ORDER BY id LIMIT :limit)
    RETURNING 1
)
SELECT count(*) FROM forgotten;
