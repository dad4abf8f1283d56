-- What stands in several queries, each piece once: sql/loader.py puts it in the place of its name in braces.

-- fragment: new_message_columns
-- What a message is made of, in the order of the parameters of insert_messages.
id, user_id, queue, channel, recipient, subject, content, headers, priority, max_tries, retry_delays, due_at,
expires_at, created_at, share, mail_bytes, account, sender, sms_parts, callback_url

-- fragment: new_messages
-- The messages that insert_messages and insert_mails keep, and the idempotency keys among theirs that are new.
new AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :id::uuid[], :user_id::uuid[], :queue::text[], :channel::text[], :recipient::text[], :subject::text[],
        :content::text[], :headers::jsonb[], :priority::smallint[], :max_tries::smallint[], :retry_delays::jsonb[],
        :due_at::timestamptz[], :expires_at::timestamptz[], :created_at::timestamptz[], :share::smallint[],
        :mail_bytes::integer[], :account::text[], :sender::text[], :sms_parts::smallint[], :callback_url::text[],
        :key::text[], :fingerprint::bytea[]
    ) AS new ({new_message_columns}, key, fingerprint)
),
keyed AS (
    INSERT INTO idempotency_keys (user_id, key, fingerprint, message_id, created_at)
    SELECT user_id, key, fingerprint, id, created_at FROM new WHERE key IS NOT NULL
    ORDER BY key  -- two inserts with the same keys wait for each other in one direction only
    ON CONFLICT DO NOTHING
    RETURNING message_id
)

-- fragment: whole_content
-- The content of a message: that of an event stands there once for all its messages.
CASE WHEN event_id IS NULL THEN content ELSE coalesce((SELECT payload FROM events WHERE events.id = event_id), '') END

-- fragment: own_headers
-- The headers of a message. Those of what fans out hold one more (see fan_out).
CASE WHEN event_id IS NULL THEN headers ELSE nullif(headers - 'tidings-event-secret', '{}') END

-- fragment: own_mail_bytes
-- How much is kept of a mail beside it. Of what fans out it is the size of the payload, for those who look for bytes.
CASE WHEN event_id IS NULL THEN mail_bytes END

-- fragment: short_columns
-- A message without its content.
id, user_id, queue, channel, recipient, subject, {own_headers} AS headers, priority, status::text, tries, max_tries,
retry_delays, recoveries, due_at, expires_at, batch_id, provider_message_id, sent_at, cancel_reason::text, last_error,
created_at, share, {own_mail_bytes} AS mail_bytes, account, sender, sms_parts, gateway, held_reason, held_since, receipt,
receipt_at, receipt_detail, endpoint_id, event_id, callback_url

-- fragment: message_columns
-- A message as the API shows it; with a new column goes a field of `Message` (tidings/domain/message.py).
{whole_content} AS content, {short_columns}

-- fragment: listed
-- A message as lists show it: with the beginning of its content. What is cut off is not read.
left({whole_content}, 4096) AS content,
CASE
    WHEN event_id IS NULL THEN octet_length(content) > octet_length(left(content, 4096))
    ELSE length({whole_content}) > 4096
END AS content_truncated,
{short_columns}

-- fragment: listed_columns
-- The same with how many were found, and the bytes of those before it.
{listed},
count(*) OVER () AS found,
coalesce(
    sum(
        octet_length(left(content, 4096)) + coalesce(octet_length(headers::text), 0)
        + CASE WHEN event_id IS NULL THEN 0 ELSE least(mail_bytes, 4096) END
    ) OVER so_far, 0
) AS bytes_before

-- fragment: page
-- Of those that were found, as many as have 4 MiB together, and one at least.
bytes_before < 4 * 1024 * 1024

-- fragment: first_wanted
-- Around a query that looks at messages in an order, up to `most` of them: the first that are wanted, up to a limit, and
-- the last that was looked at, wanted or not, which tells where to go on.
SELECT {listed}, wanted, number
FROM (
SELECT each.*, row_number() OVER () AS number
FROM (

-- fragment: looked_at
) AS each
) AS numbered
WHERE wanted OR number = :most
LIMIT :limit

-- fragment: of_looked_at
-- The newest of what was looked at in no order, and how many those are; one row with an empty id where none is wanted.
SELECT {listed}, looked
FROM (SELECT count(*) AS looked FROM looked_at) AS counted
LEFT JOIN (
    SELECT messages.*
    FROM (SELECT id FROM looked_at WHERE wanted ORDER BY id DESC LIMIT :limit) AS chosen
    JOIN messages USING (id)
) AS page ON true
ORDER BY id DESC

-- fragment: first_id
uuid_from_time(coalesce(:created_from::timestamptz, 'epoch'))

-- fragment: end_id
least(
    coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    coalesce(uuid_from_time(:created_until::timestamptz), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
)

-- fragment: id_range
-- The ids that a page may have.
id >= {first_id} AND id < {end_id}

-- fragment: wanted
-- Whether a message passes a filter, but for the time of its creation.
(
    (:status::text IS NULL OR status = :status::text::message_status)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:queue::text IS NULL OR queue = :queue)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:channels::text[] IS NULL OR channel = ANY(:channels))
    AND (:queues::text[] IS NULL OR queue = ANY(:queues))
    AND (:held::text IS NULL OR (held_reason = :held AND status IN ('pending', 'failed')))
    AND (:receipt::text IS NULL OR coalesce(receipt, 'none') = :receipt)
    AND (:user_id::uuid IS NULL OR user_id = :user_id)
)

-- fragment: changed_columns
-- What the fragment `reported` has to know of a message that was changed.
messages.id, messages.user_id, messages.queue, messages.channel, messages.recipient, messages.status, messages.tries,
messages.max_tries, messages.due_at, messages.sent_at, messages.created_at, messages.provider_message_id,
messages.cancel_reason, messages.last_error, messages.held_reason, messages.receipt, messages.receipt_detail,
messages.event_id, messages.callback_url

-- fragment: status_columns
-- What a status event says of a message: the fields of `MessageStatus`.
message_id, status, queue, channel, recipient, tries, max_tries, due_at, sent_at, created_at, provider_message_id,
cancel_reason, last_error, held_reason, receipt, receipt_detail

-- fragment: takes_status
-- Whether an endpoint may want status events of messages; the index endpoints_of_status has those.
endpoints.disabled_at IS NULL
AND endpoints.event_types && ARRAY[
    'message.*', 'message.sent', 'message.delivered', 'message.undelivered', 'message.failed', 'message.cancelled',
    'message.held'
]

-- fragment: reported
-- A status event for each row of `changed` whose `event` is not null, where somebody wants to know: at the callback URL of
-- the message, at an endpoint that names the type, or by reading. What carries a status event makes none.
-- With no such endpoint and no reader it costs one look into two indexes for all rows together, since the subselects that
-- are about no row are evaluated once. Rejected: triggers. By row they cost 2 ms for 500 outcomes with nobody to tell;
-- by statement, with transition tables, a copy of each row before and after every claim.
reported AS (
    INSERT INTO status_changes (type, user_id, callback_url, {status_columns})
    SELECT
        changed.event, changed.user_id, changed.callback_url, changed.id, changed.status, changed.queue, changed.channel,
        changed.recipient, changed.tries, changed.max_tries, changed.due_at, changed.sent_at, changed.created_at,
        changed.provider_message_id, changed.cancel_reason, changed.last_error, changed.held_reason, changed.receipt,
        changed.receipt_detail
    FROM changed
    WHERE
        changed.event IS NOT NULL
        AND CASE
            WHEN changed.callback_url IS NOT NULL THEN true
            WHEN (SELECT EXISTS (SELECT FROM event_readers)) AND EXISTS (
                SELECT FROM event_readers
                WHERE event_readers.owner = coalesce(changed.user_id, '00000000-0000-0000-0000-000000000000')
            )
            THEN true
            ELSE (SELECT EXISTS (SELECT FROM endpoints WHERE {takes_status})) AND EXISTS (
                SELECT FROM endpoints
                WHERE
                    {takes_status}
                    AND endpoints.owner = coalesce(changed.user_id, '00000000-0000-0000-0000-000000000000')
                    AND endpoints.customer IN ('', '*')
                    AND endpoints.event_types && ARRAY['message.*', changed.event]
            )
        END
        AND CASE
            WHEN changed.event_id IS NULL THEN true
            -- Not EXISTS, which the planner may answer by reading all events once.
            ELSE coalesce((SELECT NOT of_system FROM events WHERE events.id = changed.event_id), true)
        END
)

-- fragment: retried
-- What a message becomes when somebody retries it: a cancelled one starts again, a failed one is due now.
status = CASE status WHEN 'cancelled' THEN 'pending' ELSE status END,
tries = CASE status WHEN 'cancelled' THEN 0 ELSE tries END,
recoveries = CASE status WHEN 'cancelled' THEN 0 ELSE recoveries END,
share = CASE status WHEN 'cancelled' THEN greatest(share, ~share) ELSE share END,
expires_at = CASE WHEN expires_at > now() THEN expires_at END,
cancel_reason = NULL,
held_reason = NULL,
held_since = NULL,
receipt = NULL,
receipt_at = NULL,
receipt_detail = NULL,
due_at = now()

-- fragment: erased
-- Whether nothing is left of a message that could be sent: its user was deleted.
coalesce(cancel_reason = 'deleted', false)

-- fragment: endpoint_columns
id, user_id, url, description, customer, event_types, labels, sealed, secret, previous_secret, previous_until, rate_limit,
retry_delays, max_tries, disabled_at, disabled_reason, failing_since, last_failed_at, last_error, created_at, updated_at

-- fragment: wants
-- Whether an endpoint that is on wants an event: by its owner, its customer, its types and its labels. What
-- tidings itself tells goes only to those that name its type.
(
    endpoints.owner = event.owner
    AND endpoints.customer IN (event.customer, '*')
    AND endpoints.disabled_at IS NULL
    AND CASE
        WHEN endpoints.event_types IS NULL THEN NOT event.of_system
        ELSE endpoints.event_types && type_patterns(event.type)
    END
    AND (endpoints.labels IS NULL OR endpoints.labels && event.labels)
)

-- fragment: fan_out
-- A message for each row of `wanted`, an event with an endpoint. Ids are UUIDv7 of the millisecond of `moment_id`.
-- A consumer of before there were endpoints would send their empty content. It has a header to open that nobody can open,
-- so it gives them back untried ("ours") until one comes that knows better, and that takes the header away.
fanned AS (
    INSERT INTO messages (
        id, user_id, queue, channel, recipient, content, headers, priority, max_tries, retry_delays, due_at, created_at,
        share, mail_bytes, endpoint_id, event_id
    )
    SELECT
        (left(:moment_id::uuid::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid, user_id, :queue, 'webhook',
        url, '', coalesce(:headers::jsonb, '{}') || '{"tidings-event-secret": "\u001b"}', 1,
        coalesce(max_tries, jsonb_array_length(retry_delays) + 1, :max_tries),
        coalesce(retry_delays, :retry_delays::jsonb), :due_at, :created_at, :share, octet_length(payload), endpoint_id,
        event_id
    FROM wanted
    RETURNING id
)

-- fragment: operator
-- The owner of the operator's own suppressions.
'00000000-0000-0000-0000-000000000000'::uuid

-- fragment: suppression_columns
id, nullif(owner, '00000000-0000-0000-0000-000000000000') AS user_id, address, reason, since, detail, message_id

-- fragment: suppressed
-- Whether a message is mail to an address that takes no more of its user's.
(
    channel = 'email'
    AND EXISTS (
        SELECT FROM suppressions
        WHERE
            owner = coalesce(messages.user_id, '00000000-0000-0000-0000-000000000000')
            AND address = lower(messages.recipient COLLATE "C")
    )
)

-- fragment: message_at_gateway
-- The message that a report names by a gateway and its id there, the newest one where ids come again; null where none is
-- known. Not by ORDER BY and LIMIT, for which the planner would go through the messages by their own ids.
(
    SELECT (array_agg(messages.id ORDER BY messages.id DESC))[1]
    FROM messages
    WHERE
        hashtext(messages.provider_message_id) = hashtext(report.provider_message_id)
        AND messages.provider_message_id = report.provider_message_id
        AND messages.provider_message_id IS NOT NULL
        AND messages.gateway = report.gateway
        AND messages.gateway IS NOT NULL
        AND (report.owner IS NULL OR messages.user_id = report.owner)
        AND messages.id >= uuid_from_time(:since::timestamptz)
)

-- fragment: settling
-- What is found becomes the receipt of its message, where it says more than what is there. Of a mail, which has many
-- recipients, that it is undelivered stays; of all else, that it is delivered.
news AS MATERIALIZED (
    SELECT DISTINCT ON (messages.id) messages.id, matched.receipt, matched.detail
    FROM matched
    JOIN messages ON messages.id = matched.found
    ORDER BY messages.id, (matched.receipt = 'undelivered') = (messages.channel = 'email') DESC, matched.number
),
changed AS (
    UPDATE messages SET receipt = news.receipt, receipt_at = now(), receipt_detail = news.detail
    FROM news
    WHERE
        messages.id = news.id
        AND (
            messages.receipt IS NULL
            OR (
                messages.receipt <> news.receipt
                AND (news.receipt = 'undelivered') = (messages.channel = 'email')
            )
        )
    RETURNING {changed_columns}, 'message.' || messages.receipt AS event
),
{reported}

-- fragment: lead
-- The advisory lock that a connection of the leading producer holds.
hashtextextended('tidings.leader', 0)

-- fragment: queue_columns
name, active, interval_seconds, batch_size, last_claimed_at,
CASE WHEN next_tick(queues) > now() THEN next_tick(queues) END AS next_tick_at, retry

-- fragment: user_columns
id, email, password_hash, role::text, channels, may_prioritize, token_version, smtp_host, smtp_port, smtp_username, smtp_password,
smtp_tls, allowed_from, webhook_secret IS NOT NULL AS signs_webhooks, disabled_at, deleting, proven_at, created_at, updated_at

-- fragment: erasing
-- What is left of a message of which nothing personal is; `piece` has its status.
status = CASE piece.status WHEN 'sent' THEN 'sent' ELSE 'cancelled' END::message_status,
cancel_reason = CASE WHEN piece.status <> 'sent' THEN 'deleted'::cancel_reason END,
recipient = 'erased',
subject = NULL,
content = '',
headers = NULL,
mail_bytes = NULL,
account = NULL,
sender = NULL,
provider_message_id = NULL,
last_error = NULL,
receipt_detail = NULL,
held_reason = NULL,
held_since = NULL,
endpoint_id = NULL,
event_id = NULL,
callback_url = NULL

-- fragment: deletion_columns
id, requested_at, cancelled, erased, finished_at

-- fragment: smtp_account_columns
name, smtp_accounts.id AS account_id, is_default, host, port, tls, username, password, token_url, client_id,
client_secret, refresh_token, from_address, from_name, per_hour, max_connections

-- fragment: gateway_columns
id, user_id, name, preset, spec, base_url, credentials, senders, users, prefixes, short_codes, weight, allows_duplicates,
per_second, concurrency, price, enabled, created_at, updated_at

-- fragment: api_key_columns
id, user_id, name, prefix, hash, role::text, scopes, channels, granted, queues, expires_at, parent_id, created_at, last_used_at,
revoked_at

-- fragment: session_columns
id, user_id, address, client, created_at, expires_at, last_used_at

-- fragment: audit_columns
id, actor, user_id, key_id, session_id, address, action, subject, owner, detail, created_at

-- fragment: audit_filter
id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
AND id >= uuid_from_time(coalesce(:created_from::timestamptz, 'epoch'))
AND id < coalesce(uuid_from_time(:created_until::timestamptz), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
AND (:action::text IS NULL OR action = :action)
AND (:subject::text IS NULL OR subject = :subject)

-- fragment: waiting_turns
-- The first message that waits in each turn of these queues (null: all), those that are on, or those that are off too.
-- Goes from one turn to the next in the index, whatever waits in each; a queue in which nothing waits costs nothing, and
-- one that is off a step.
WITH RECURSIVE waiting_turn AS (
    SELECT first.priority, first.queue, first.share, first.due_at, first.id
    FROM unnest(coalesce(:queues::text[], ARRAY[''])) AS begin (queue)
    CROSS JOIN LATERAL (
        SELECT priority, queue, share, due_at, id
        FROM messages
        WHERE
            status IN ('pending', 'failed')
            AND (queue, priority, share) > (begin.queue, -1::smallint, 0::smallint)
            AND queue <= CASE WHEN :queues::text[] IS NULL THEN (SELECT max(name) FROM queues) ELSE begin.queue END
        ORDER BY queue, priority, share, due_at, id
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT next.priority, next.queue, next.share, next.due_at, next.id
    FROM waiting_turn
    CROSS JOIN LATERAL (
        SELECT :off_too::boolean OR coalesce((SELECT active FROM queues WHERE name = waiting_turn.queue), false)
    ) AS of_queue (is_asked)
    CROSS JOIN LATERAL (
        SELECT priority, queue, share, due_at, id
        FROM messages
        WHERE
            status IN ('pending', 'failed')
            AND (queue, priority, share) > (
                waiting_turn.queue,
                CASE WHEN of_queue.is_asked THEN waiting_turn.priority ELSE 32767::smallint END,
                waiting_turn.share
            )
            AND queue <= CASE
                WHEN :queues::text[] IS NULL THEN (SELECT max(name) FROM queues) ELSE waiting_turn.queue
            END
        ORDER BY queue, priority, share, due_at, id
        LIMIT 1
    ) AS next
),
claim_lane AS (
    SELECT waiting_turn.*
    FROM waiting_turn
    JOIN queues ON queues.name = waiting_turn.queue
    WHERE queues.active OR :off_too::boolean
)
