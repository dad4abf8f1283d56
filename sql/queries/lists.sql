-- Pages of messages, newest first: each query goes along one index and looks at so many entries at the most (`most`).
-- Rows are compared (`(user_id, id) < …`), and what other indexes could find too is said so that they cannot (IS TRUE):
-- else the planner goes by ids alone, past everybody's messages, as soon as its statistics make that look cheaper. Of a
-- column that equals a constant it knows, too, that it says nothing about the order.

-- name: list_messages(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of everybody's messages.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE {id_range}
    ORDER BY id DESC
    LIMIT :most
{looked_at};

-- name: list_user_messages(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of one user's messages.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE
        user_id IS NOT NULL
        AND (user_id, id) >= (:user_id::uuid, {first_id})
        AND (user_id, id) < (:user_id::uuid, {end_id})
    ORDER BY user_id DESC, id DESC
    LIMIT :most
{looked_at};

-- name: list_not_sent(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages that failed, or that were cancelled.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE
        status IN ('failed', 'cancelled')
        AND (status, id) >= (:status::text::message_status, {first_id})
        AND (status, id) < (:status::text::message_status, {end_id})
    ORDER BY status DESC, id DESC
    LIMIT :most
{looked_at};

-- name: list_in_queue(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages of a queue other than `default` that are not being delivered.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE
        status <> 'processing'
        AND queue <> 'default'
        AND name_key(queue, id) >= name_key(:queue, {first_id})
        AND name_key(queue, id) <= name_key(:queue, {end_id})
        AND ({id_range}) IS TRUE
    ORDER BY name_key(queue, id) DESC, id DESC
    LIMIT :most
{looked_at};

-- name: list_of_channel(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages of a channel that are not being delivered.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE
        status <> 'processing'
        AND name_key(channel, id) >= name_key(:channel, {first_id})
        AND name_key(channel, id) <= name_key(:channel, {end_id})
        AND ({id_range}) IS TRUE
    ORDER BY name_key(channel, id) DESC, id DESC
    LIMIT :most
{looked_at};

-- name: list_ended_to(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages to a recipient that were sent or cancelled, span by span, back to the oldest message: 235 spans
-- of 91 days, each looked for in all partitions, which takes 5 ms.
{first_wanted}
    SELECT of_span.*, {wanted} AS wanted
    FROM (
        SELECT
            (SELECT id FROM messages ORDER BY id LIMIT 1) AS oldest,
            (SELECT id FROM messages ORDER BY id DESC LIMIT 1) AS newest
    ) AS stored
    CROSS JOIN LATERAL generate_series(
        CASE WHEN newest IS NOT NULL THEN span_of(least({end_id}, newest)) END,
        span_of(greatest({first_id}, oldest)),
        -1
    ) AS span
    CROSS JOIN LATERAL (
        SELECT *
        FROM messages
        WHERE
            status IN ('sent', 'cancelled')
            AND recipient_key(recipient, id) >= recipient_key(span, :recipient, 0)
            AND recipient_key(recipient, id) <= recipient_key(span, :recipient, 4095)
            AND ({id_range}) IS TRUE
        ORDER BY recipient_key(recipient, id) DESC, id DESC
        LIMIT :most
    ) AS of_span
    LIMIT :most
{looked_at};

-- name: list_waiting_to(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages to a recipient that wait.
{first_wanted}
    SELECT *, {wanted} AS wanted
    FROM messages
    WHERE
        status IN ('pending', 'failed')
        AND (hashtext(recipient), id) >= (hashtext(:recipient), {first_id})
        AND (hashtext(recipient), id) < (hashtext(:recipient), {end_id})
    ORDER BY hashtext(recipient) DESC, id DESC
    LIMIT :most
{looked_at};

-- name: list_waiting(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- A page of the messages that wait, of one queue or of all; `looked` at as many as there are, in no order.
WITH looked_at AS MATERIALIZED (
    SELECT id, id >= (SELECT {first_id}) AND id < (SELECT {end_id}) AND {wanted} AS wanted
    FROM messages
    WHERE
        status IN ('pending', 'failed')
        AND queue >= coalesce(:queue, '')
        AND queue <= coalesce(:queue, (SELECT max(name) FROM queues))
    LIMIT :most
)
{of_looked_at};

-- name: list_held(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- list_waiting for those that are held for a reason.
WITH looked_at AS MATERIALIZED (
    SELECT id, id >= (SELECT {first_id}) AND id < (SELECT {end_id}) AND {wanted} AS wanted
    FROM messages
    WHERE status IN ('pending', 'failed') AND held_reason IS NOT NULL AND held_reason = :held
    LIMIT :most
)
{of_looked_at};

-- name: list_under_way(before, created_from, created_until, status, channel, queue, recipient, channels, queues, held, receipt, user_id, most, limit)
-- list_waiting for those that are being delivered.
WITH looked_at AS MATERIALIZED (
    SELECT id, id >= (SELECT {first_id}) AND id < (SELECT {end_id}) AND {wanted} AS wanted
    FROM messages
    WHERE status = 'processing' AND batch_id >= '00000000-0000-0000-0000-000000000000'
    LIMIT :most
)
{of_looked_at};

-- name: list_sent_sms(before_sent_at, before, queues, limit)
-- A page of the text messages that were sent, the last one first.
SELECT *
FROM (
    SELECT {listed_columns}
    FROM (
        SELECT {message_columns}
        FROM messages
        WHERE
            status = 'sent'
            AND channel = 'sms'
            AND (:queues::text[] IS NULL OR queue = ANY(:queues))
            AND (sent_at, id) < (
                coalesce(:before_sent_at::timestamptz, 'infinity'),
                coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            )
        ORDER BY sent_at DESC, id DESC
        LIMIT :limit
    ) AS newest
    WINDOW so_far AS (ORDER BY sent_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS listed
WHERE {page}
ORDER BY sent_at DESC, id DESC;

-- name: list_user_sent_sms(before_sent_at, before, user_id, queues, limit)
-- A page of the text messages that one user has sent, the last one first; other users' are passed over in the index.
SELECT *
FROM (
    SELECT {listed_columns}
    FROM (
        SELECT {message_columns}
        FROM messages
        WHERE
            status = 'sent'
            AND channel = 'sms'
            AND user_id = :user_id
            AND (:queues::text[] IS NULL OR queue = ANY(:queues))
            AND (sent_at, id) < (
                coalesce(:before_sent_at::timestamptz, 'infinity'),
                coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            )
        ORDER BY sent_at DESC, id DESC
        LIMIT :limit
    ) AS newest
    WINDOW so_far AS (ORDER BY sent_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS listed
WHERE {page}
ORDER BY sent_at DESC, id DESC;

-- name: list_few_sent_sms(before_sent_at, before, user_id, queues, most, limit)
-- list_user_sent_sms for a user who has few messages, among all of theirs; `looked` at so many.
WITH looked_at AS MATERIALIZED (
    SELECT
        id,
        status = 'sent'
        AND channel = 'sms'
        AND (:queues::text[] IS NULL OR queue = ANY(:queues))
        AND (sent_at, id) < (
            coalesce(:before_sent_at::timestamptz, 'infinity'),
            coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ) AS wanted,
        sent_at
    FROM messages
    WHERE user_id >= :user_id AND user_id <= :user_id
    ORDER BY user_id DESC, id DESC
    LIMIT :most
)
SELECT {listed}, looked
FROM (SELECT count(*) AS looked FROM looked_at) AS counted
LEFT JOIN (
    SELECT messages.*
    FROM (SELECT id FROM looked_at WHERE wanted ORDER BY sent_at DESC, id DESC LIMIT :limit) AS chosen
    JOIN messages USING (id)
) AS page ON true
ORDER BY sent_at DESC, id DESC;
