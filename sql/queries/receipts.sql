-- name: record_receipts(message_ids, owners, gateways, provider_message_ids, receipts, details, since)^
-- Keeps a group of receipts: one statement, one commit. Each names its message by id, or by a gateway and its id there; an
-- owner, where one is given, must be the message's user. One whose message is not known is kept apart, for join_receipts.
-- Returns what was found for each, in order, and which messages have changed.
-- Finds messages of gateways that were made since then; rarer ones are left to join_receipts, which searches all.
-- Locks messages in the order of their ids, as record_outcomes does.
WITH report AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :message_ids::uuid[], :owners::uuid[], :gateways::text[], :provider_message_ids::text[], :receipts::text[],
        :details::text[]
    ) WITH ORDINALITY AS report (message_id, owner, gateway, provider_message_id, receipt, detail, number)
),
matched AS MATERIALIZED (
    SELECT report.*, coalesce(report.message_id, {message_at_gateway}) AS found
    FROM report
),
{settling},
kept AS (
    INSERT INTO early_receipts (owner, gateway, provider_message_id, receipt, detail)
    SELECT DISTINCT ON (owner, gateway, provider_message_id)
        coalesce(owner, {operator}) AS owner, gateway, provider_message_id, receipt, detail
    FROM matched
    WHERE found IS NULL AND gateway IS NOT NULL
    ORDER BY owner, gateway, provider_message_id, receipt  -- 'delivered' comes first
    ON CONFLICT (owner, gateway, provider_message_id) DO UPDATE
        SET receipt = excluded.receipt, detail = excluded.detail
        WHERE early_receipts.receipt = 'undelivered' AND excluded.receipt = 'delivered'
)
SELECT ARRAY(SELECT found FROM matched ORDER BY number) AS found, ARRAY(SELECT id FROM changed) AS changed;

-- name: join_receipts(limit, since)^
-- Of the early receipts that are due, those whose messages are known by now become theirs, in the same commit. The others
-- are due again when they are twice as old; `since` is as in record_receipts. Returns how many were looked at, and how many have found their messages.
WITH due AS MATERIALIZED (
    SELECT * FROM early_receipts
    WHERE due_at <= now()
    ORDER BY due_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
report AS MATERIALIZED (
    SELECT nullif(owner, {operator}) AS owner, gateway, provider_message_id, receipt, detail, 0 AS number
    FROM due
),
matched AS MATERIALIZED (
    SELECT report.*, {message_at_gateway} AS found
    FROM report
),
{settling},
joined AS (
    DELETE FROM early_receipts
    USING matched
    WHERE
        matched.found IS NOT NULL
        AND early_receipts.owner = coalesce(matched.owner, {operator})
        AND early_receipts.gateway = matched.gateway
        AND early_receipts.provider_message_id = matched.provider_message_id
),
postponed AS (
    UPDATE early_receipts SET due_at = now() + greatest(now() - received_at, interval '2 s')
    FROM matched
    WHERE
        matched.found IS NULL
        AND early_receipts.owner = coalesce(matched.owner, {operator})
        AND early_receipts.gateway = matched.gateway
        AND early_receipts.provider_message_id = matched.provider_message_id
)
SELECT
    (SELECT count(*) FROM due) AS looked_at,
    (SELECT count(*) FROM matched WHERE found IS NOT NULL) AS joined,
    (SELECT count(*) FROM changed) AS changed;

-- name: forget_receipts(before, most)$
-- Drops early receipts that came before then, and of what is left the oldest ones that are too many; returns the count.
-- Each gateway keeps its own newest `most`; those of a user who is gone go too.
WITH numbered AS (
    SELECT
        owner, gateway, provider_message_id,
        received_at < :before::timestamptz
        OR row_number() OVER (PARTITION BY owner, gateway ORDER BY received_at DESC) > :most
        OR (owner <> {operator} AND NOT EXISTS (SELECT FROM users WHERE users.id = owner)) AS is_over
    FROM early_receipts
),
dropped AS (
    DELETE FROM early_receipts
    USING numbered
    WHERE
        numbered.is_over
        AND early_receipts.owner = numbered.owner
        AND early_receipts.gateway = numbered.gateway
        AND early_receipts.provider_message_id = numbered.provider_message_id
    RETURNING 1
)
SELECT count(*) FROM dropped;

-- name: find_webhooks(id, most)
-- The webhooks whose receivers know them by this id: a message's own, or that of the event which several carry.
SELECT id, user_id, endpoint_id
FROM messages
WHERE id = :id AND channel = 'webhook' AND event_id IS NULL
UNION ALL (
    SELECT id, user_id, endpoint_id
    FROM messages
    WHERE
        event_id = :id
        AND id >= uuid_from_time((SELECT created_at FROM events WHERE events.id = :id))
        AND status = 'sent'
    LIMIT :most
);
