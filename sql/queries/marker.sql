-- name: add_marker()!
-- For a database whose marker was lost.
INSERT INTO store_marker DEFAULT VALUES ON CONFLICT DO NOTHING;

-- name: lock_marker()^
-- The marker, until the end of the transaction, and what it would say now.
SELECT
    installation, number, identity, timeline, paused_why,
    extract(epoch FROM now() - written_at)::double precision AS age,
    store_identity() AS present_identity,
    store_timeline() AS present_timeline
FROM store_marker
FOR UPDATE;

-- name: write_marker(number, changed, paused_why)!
-- Goes on with the marker. Once paused, it stays so until somebody resumes.
UPDATE store_marker SET
    number = :number,
    written_at = now(),
    identity = store_identity(),
    timeline = store_timeline(),
    changed_at = CASE WHEN :changed THEN now() ELSE changed_at END,
    paused_at = CASE WHEN :paused_why::text IS NULL THEN paused_at ELSE coalesce(paused_at, now()) END,
    paused_why = coalesce(:paused_why, paused_why);

-- name: paused()^
-- Since when nothing is claimed, and why; no row where it is.
SELECT paused_at, paused_why FROM store_marker WHERE paused_at IS NOT NULL;

-- name: resume()$
-- Claims go on; returns whether they were paused. Producers are notified.
WITH resumed AS (
    UPDATE store_marker SET paused_at = NULL, paused_why = NULL WHERE paused_at IS NOT NULL
    RETURNING 1
),
notified AS MATERIALIZED (
    SELECT pg_notify('tidings_queues', '') FROM resumed
)
SELECT count(*) > 0 FROM notified;

-- name: overdue_next(due_before, after_queue, after_priority, after_share, after_due_at, after_id, most)^
-- Which of the next waiting messages were due before a moment, in the order of their index from one point on; how many
-- were read, and the point of the last one.
WITH waiting AS MATERIALIZED (
    SELECT id, queue, priority, share, due_at
    FROM messages
    WHERE
        status IN ('pending', 'failed')
        AND (queue, priority, share, due_at, id) > (
            :after_queue::text, :after_priority::smallint, :after_share::smallint, :after_due_at::timestamptz,
            :after_id::uuid
        )
    ORDER BY queue, priority, share, due_at, id
    LIMIT :most
)
SELECT
    (SELECT count(*) FROM waiting) AS read,
    ARRAY(SELECT id FROM waiting WHERE waiting.due_at < :due_before::timestamptz ORDER BY id) AS ids,
    ARRAY(SELECT due_at FROM waiting WHERE waiting.due_at < :due_before ORDER BY id) AS due_ats,
    last.queue, last.priority, last.share, last.due_at, last.id
FROM (SELECT) AS always
LEFT JOIN (
    SELECT * FROM waiting ORDER BY queue DESC, priority DESC, share DESC, due_at DESC, id DESC LIMIT 1
) AS last ON true;

-- name: count_processing(most)$
-- How many messages are in batches, counted up to a limit.
SELECT count(*) FROM (SELECT FROM messages WHERE status = 'processing' LIMIT :most) AS counted;
