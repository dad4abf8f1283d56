-- name: find_suppressions(user_id, addresses)
-- Which of these addresses take no more mail of a user; null: the operator.
SELECT {suppression_columns}
FROM suppressions
WHERE owner = coalesce(:user_id::uuid, {operator}) AND address = ANY(:addresses::text[]);

-- name: suppress(user_id, id, address, detail, reason, message_id)
-- Puts addresses on the list of a user, and returns those that were not on it; the others stay as they are.
INSERT INTO suppressions (id, owner, address, reason, detail, message_id)
SELECT new.id, coalesce(:user_id::uuid, {operator}), new.address, :reason, new.detail, :message_id
FROM unnest(:id::uuid[], :address::text[], :detail::text[]) AS new (id, address, detail)
ORDER BY new.address  -- two statements with the same addresses wait for each other in one direction only
ON CONFLICT ON CONSTRAINT suppressions_once DO NOTHING
RETURNING address;

-- name: cancel_suppressed(user_id, addresses, limit)$
-- A user's waiting mail to these addresses becomes cancelled, up to a limit; returns the count. What is being claimed at
-- this moment is passed over: it is on its way.
WITH chosen AS (
    SELECT id FROM messages
    WHERE
        lower(recipient COLLATE "C") = ANY(:addresses::text[])
        AND channel = 'email'
        AND status IN ('pending', 'failed')
        AND user_id IS NOT DISTINCT FROM :user_id::uuid
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE messages SET status = 'cancelled', cancel_reason = 'suppressed'
    FROM chosen WHERE messages.id = chosen.id
    RETURNING {changed_columns}, 'message.cancelled' AS event
),
{reported}
SELECT count(*) FROM changed;

-- name: list_suppressions(before, address, reason, limit)
-- A page of everybody's, the newest first.
SELECT {suppression_columns}
FROM suppressions
WHERE
    id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND (:address::text IS NULL OR address = :address)
    AND (:reason::text IS NULL OR reason = :reason)
ORDER BY id DESC
LIMIT :limit;

-- name: list_user_suppressions(user_id, before, address, reason, limit)
-- A page of one user's, the newest first: list_suppressions for a single user, so that it reads nobody else's.
SELECT {suppression_columns}
FROM suppressions
WHERE
    owner = :user_id::uuid
    AND id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND (:address::text IS NULL OR address = :address)
    AND (:reason::text IS NULL OR reason = :reason)
ORDER BY id DESC
LIMIT :limit;

-- name: lift_suppression(id, user_id)^
-- Takes an address off its list and returns it; no row where there is none, or where it is not this user's.
DELETE FROM suppressions
WHERE id = :id AND (:user_id::uuid IS NULL OR owner = :user_id)
RETURNING {suppression_columns};
