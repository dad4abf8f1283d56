-- name: request_deletion(id, user_id)^
-- A user is to be deleted, and can do nothing from now on; returns the job, also where it was there before. No row where
-- there is no such user, or where another request came at the same moment.
WITH stopped AS (
    UPDATE users SET
        disabled_at = coalesce(disabled_at, now()),
        deleting = true,
        token_version = token_version + 1,
        wake_until = NULL,
        updated_at = now()
    WHERE id = :user_id AND NOT deleting
    RETURNING id
),
requested AS (
    INSERT INTO deletions (id, user_id) SELECT :id, id FROM stopped
    ON CONFLICT (user_id) DO NOTHING
    RETURNING {deletion_columns}
)
SELECT * FROM requested
UNION ALL
SELECT {deletion_columns} FROM deletions WHERE user_id = :user_id;

-- name: get_deletion(id)^
-- How far a deletion is.
SELECT {deletion_columns} FROM deletions WHERE id = :id;

-- name: open_deletions(limit)
-- Deletions that are not through, the oldest first.
SELECT id FROM deletions WHERE finished_at IS NULL ORDER BY requested_at LIMIT :limit;

-- name: erase_messages(id, limit)$
-- The next piece of a pass over the messages of a user who is being deleted: those that wait are cancelled, and of all
-- that have ended nothing stays that is personal. Returns the count of messages looked at; 0 where the pass is through.
-- What is on its way is left behind: the next pass begins with the first piece in which there was any.
-- Locks the messages in the order of their ids, as record_outcomes does, and those on their way too: so it cannot be that
-- one is passed over in the moment in which it ends.
WITH job AS MATERIALIZED (
    SELECT user_id, coalesce(erased_up_to, '00000000-0000-0000-0000-000000000000') AS erased_up_to
    FROM deletions
    WHERE id = :id
),
piece AS MATERIALIZED (
    SELECT id, status, created_at
    FROM messages
    WHERE user_id = (SELECT user_id FROM job) AND id > (SELECT erased_up_to FROM job)
    ORDER BY id
    LIMIT :limit
    FOR UPDATE
),
erased AS (
    UPDATE messages SET
        {erasing}
    FROM piece
    WHERE
        messages.id = piece.id
        AND piece.status <> 'processing'
        -- Not what an earlier pass has erased.
        AND NOT (
            messages.recipient = 'erased'
            AND messages.content = ''
            AND num_nonnulls(
                messages.subject, messages.headers, messages.provider_message_id, messages.last_error,
                messages.receipt_detail
            ) = 0
            AND (messages.status = 'sent' OR messages.cancel_reason = 'deleted')
        )
    RETURNING piece.status IN ('pending', 'failed') AS waited
),
parts AS (
    DELETE FROM mail_parts WHERE message_id IN (SELECT id FROM piece WHERE status <> 'processing')
),
tried AS (
    UPDATE attempts SET error = NULL, answer = NULL
    WHERE
        message_id IN (SELECT id FROM piece WHERE status <> 'processing')
        AND started_at >= (SELECT min(created_at) FROM piece) - interval '1 hour'
        AND (error IS NOT NULL OR answer IS NOT NULL)
),
progress AS (
    UPDATE deletions SET
        erased_up_to = coalesce((SELECT id FROM piece ORDER BY id DESC LIMIT 1), deletions.erased_up_to),
        left_after = CASE
            WHEN EXISTS (SELECT FROM piece WHERE status = 'processing')
            THEN coalesce(deletions.left_after, (SELECT erased_up_to FROM job))
            ELSE deletions.left_after
        END,
        cancelled = cancelled + (SELECT count(*) FROM erased WHERE waited),
        erased = erased + (SELECT count(*) FROM erased)
    WHERE id = :id
)
SELECT count(*) FROM piece;

-- name: repeat_pass(id, settled)$
-- Begins another pass where this one left something behind, or began before everybody had heard that the user can do
-- nothing any more, so that a message could come after it; no row where it was the last one.
UPDATE deletions SET
    erased_up_to = least(left_after, uuid_from_time(requested_at - interval '1 minute')),
    left_after = NULL,
    pass_began_at = now()
WHERE id = :id AND (left_after IS NOT NULL OR pass_began_at < requested_at + :settled::interval)
RETURNING true;

-- name: erase_account_mails(id)$
-- erase_messages for the mails about the account itself, which are the operator's; returns how many are on their way.
WITH piece AS MATERIALIZED (
    SELECT id, status, created_at
    FROM messages
    WHERE
        id = ANY((
            SELECT mail_ids FROM users WHERE id = (SELECT user_id FROM deletions WHERE deletions.id = :id)
        )::uuid[])
        AND user_id IS NULL
    ORDER BY id
    FOR UPDATE
),
erased AS (
    UPDATE messages SET
        {erasing}
    FROM piece
    WHERE messages.id = piece.id AND piece.status <> 'processing'
),
tried AS (
    UPDATE attempts SET error = NULL, answer = NULL
    WHERE
        message_id IN (SELECT id FROM piece WHERE status <> 'processing')
        AND started_at >= (SELECT min(created_at) FROM piece) - interval '1 hour'
        AND (error IS NOT NULL OR answer IS NOT NULL)
)
SELECT count(*) FROM piece WHERE status = 'processing';

-- name: erase_beside(id, limit)$
-- Idempotency keys, suppressions, holds and events of a user who is being deleted, up to a limit of each; returns the count.
WITH job AS MATERIALIZED (
    SELECT user_id FROM deletions WHERE id = :id
),
keys AS (
    DELETE FROM idempotency_keys
    WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency_keys WHERE user_id = (SELECT user_id FROM job) LIMIT :limit
    ))
    RETURNING 1
),
addresses AS (
    DELETE FROM suppressions
    WHERE id IN (SELECT id FROM suppressions WHERE owner = (SELECT user_id FROM job) LIMIT :limit)
    RETURNING 1
),
endpoints AS (
    DELETE FROM holds
    WHERE id IN (SELECT id FROM holds WHERE user_id = (SELECT user_id FROM job) LIMIT :limit)
    RETURNING 1
),
changed AS (
    DELETE FROM status_changes WHERE user_id = (SELECT user_id FROM job)
    RETURNING 1
),
payloads AS (
    DELETE FROM events
    WHERE id IN (SELECT id FROM events WHERE owner = (SELECT user_id FROM job) LIMIT :limit)
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM keys) + (SELECT count(*) FROM addresses) + (SELECT count(*) FROM endpoints)
    + (SELECT count(*) FROM payloads) + (SELECT count(*) FROM changed);

-- name: finish_deletion(id)!
-- The user goes, with keys and secrets.
WITH job AS (
    UPDATE deletions SET finished_at = now() WHERE id = :id RETURNING user_id
)
DELETE FROM users WHERE id IN (SELECT user_id FROM job) AND deleting;

-- name: forget_deletions(moment)!
-- Forgets deletions that were finished before a moment.
DELETE FROM deletions WHERE finished_at < :moment;
