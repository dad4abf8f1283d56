-- name: get_quota(user_id)^
-- The limits that an admin has given a user.
SELECT per_second, per_day, waiting, waiting_bytes
FROM quotas
WHERE user_id = :user_id;

-- name: set_quota(user_id, per_second, per_day, waiting, waiting_bytes)$
-- Gives a user limits; null where there is no such user.
INSERT INTO quotas (user_id, per_second, per_day, waiting, waiting_bytes)
SELECT id, :per_second::integer, :per_day::integer, :waiting::integer, :waiting_bytes::bigint
FROM users
WHERE id = :user_id
ON CONFLICT (user_id) DO UPDATE SET
    per_second = EXCLUDED.per_second,
    per_day = EXCLUDED.per_day,
    waiting = EXCLUDED.waiting,
    waiting_bytes = EXCLUDED.waiting_bytes
RETURNING user_id;

-- name: count_use(user_ids, per_day, waiting)
-- What users have used, each counted to a limit of theirs at the most. The content of a message is not read for its size.
SELECT wanted.user_id, day.count AS per_day, first.created_at AS day_began, waits.count AS waiting, waits.bytes AS waiting_bytes
FROM unnest(:user_ids::uuid[], :per_day::integer[], :waiting::integer[]) AS wanted (user_id, per_day, waiting)
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM (
        SELECT FROM messages
        WHERE user_id = wanted.user_id AND id >= uuid_from_time(now() - interval '1 day')
        LIMIT wanted.per_day
    ) AS accepted
) AS day
LEFT JOIN LATERAL (
    SELECT created_at FROM messages
    WHERE user_id = wanted.user_id AND id >= uuid_from_time(now() - interval '1 day')
    ORDER BY id
    LIMIT 1
) AS first ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM (
        SELECT
            octet_length(content) + coalesce(octet_length(subject), 0) + coalesce(pg_column_size(headers), 0)
            + coalesce(mail_bytes, 0) AS bytes
        FROM messages
        WHERE user_id = wanted.user_id AND status IN ('pending', 'failed')
        LIMIT wanted.waiting
    ) AS found
) AS waits;
