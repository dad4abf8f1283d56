-- name: claim(priorities, queues, shares, mark_due_ats, mark_ids, quotas, cutoff, room, batch_size, batch_bytes, batch_ids, consumers, lease)^
-- Takes due messages into new batches: one batch for each id in batch_ids, for the consumer beside it.
-- A claim lane is a queue at a priority and one share of it, in the order in which they are served, with what it may
-- take and with the mark before which nothing waits in it. The lateral keeps that order, reads no more than it needs, and
-- locks only what it reads; an ORDER BY outside it would make it read and lock every claim lane first.
-- Recovered messages are in quarantine: in tens after one loss of their consumer, by themselves (under a negative
-- share) after more: one at a time for each consumer, and never in more than half of the batches.
-- A batch is bounded by the bytes of its contents too. Two messages of one part have the same quotient of the bytes
-- before them and of the bytes with them, so a part with more than one message stays below batch_bytes. (A message that
-- passes a multiple of it travels by itself. Rejected: to fill each batch, which a window cannot do.)
-- What is being cancelled, many at once, is held: `changes` is empty but for that.
-- Nothing is claimed where the marker is not vouched for: it is old, another server's, or paused (producer/guard.py).
-- `reached` is the new low-water mark of each claim lane, all that was seen before it has been taken; null: nothing waits.
WITH marker AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM store_marker
        WHERE
            identity IS NULL
            OR (
                paused_at IS NULL
                AND written_at > now() - interval '30 s'
                AND identity = store_identity()
                AND timeline IS NOT DISTINCT FROM store_timeline()
            )
    ) AS vouched
),
claim_lane AS MATERIALIZED (
    SELECT
        *,
        EXISTS (
            SELECT FROM changes
            WHERE
                held_until > now()
                AND (queues IS NULL OR claim_lane.queue = ANY(queues))
                AND (shares IS NULL OR greatest(claim_lane.share, ~claim_lane.share) = ANY(shares))
        ) AS held
    FROM unnest(
        :priorities::smallint[], :queues::text[], :shares::smallint[], :mark_due_ats::timestamptz[], :mark_ids::uuid[],
        :quotas::integer[]
    ) WITH ORDINALITY AS claim_lane (priority, queue, share, mark_due_at, mark_id, quota, number)
    WHERE (SELECT vouched FROM marker)
),
free AS MATERIALIZED (
    SELECT offer, row_number() OVER () AS number
    FROM (
        SELECT max(offer) AS offer
        FROM unnest(:consumers::text[]) WITH ORDINALITY AS offers (consumer, offer)
        WHERE
            EXISTS (SELECT FROM claim_lane WHERE share < 0)
            AND NOT EXISTS (SELECT FROM batches WHERE batches.consumer = offers.consumer AND batches.quarantined)
        GROUP BY consumer
        LIMIT greatest(cardinality(:consumers::text[]) / 2, 1)
    ) AS one_each
),
quarantined AS MATERIALIZED (
    SELECT ready.id, ready.due_at, claim_lane.number AS claim_lane, row_number() OVER () AS number
    FROM claim_lane
    CROSS JOIN LATERAL (
        SELECT id, due_at
        FROM messages
        WHERE
            status IN ('pending', 'failed')
            AND queue = claim_lane.queue
            AND priority = claim_lane.priority
            AND share = claim_lane.share
            AND due_at <= coalesce(:cutoff::timestamptz, now())
            AND (SELECT active FROM queues WHERE name = claim_lane.queue)
        ORDER BY due_at, id
        LIMIT (SELECT count(*) FROM free)
        FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE claim_lane.share < 0 AND NOT claim_lane.held
    LIMIT least((SELECT count(*) FROM free), :room)
),
due AS MATERIALIZED (
    SELECT ready.id, ready.bytes, least(ready.recoveries, 1) AS quarantine, ready.due_at, claim_lane.number AS claim_lane
    FROM claim_lane
    CROSS JOIN LATERAL (
        SELECT id, recoveries, due_at, octet_length(content) + coalesce(mail_bytes, 0) AS bytes
        FROM messages
        WHERE
            status IN ('pending', 'failed')
            AND queue = claim_lane.queue
            AND priority = claim_lane.priority
            AND share = claim_lane.share
            AND (due_at, id) >= (claim_lane.mark_due_at, claim_lane.mark_id)
            AND due_at <= coalesce(:cutoff::timestamptz, now())
            AND (SELECT active FROM queues WHERE name = claim_lane.queue)
        ORDER BY due_at, id
        LIMIT claim_lane.quota
        FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE claim_lane.share >= 0 AND NOT claim_lane.held
    LIMIT :room - (SELECT count(*) FROM quarantined)
),
numbered AS (
    SELECT *, row_number() OVER () AS position FROM due
),
parted AS (
    SELECT
        *,
        (row_number() OVER so_far - 1)
        / CASE quarantine WHEN 0 THEN :batch_size::integer ELSE greatest(:batch_size / 10, 1) END
        + (sum(bytes) OVER so_far - bytes) / :batch_bytes::bigint
        + sum(bytes) OVER so_far / :batch_bytes AS part
    FROM numbered
    WINDOW so_far AS (PARTITION BY quarantine ORDER BY position ROWS UNBOUNDED PRECEDING)
),
open_offers AS MATERIALIZED (
    SELECT ARRAY(
        SELECT offer
        FROM generate_series(1, cardinality(:batch_ids::uuid[])) AS offers (offer)
        WHERE offer NOT IN (SELECT free.offer FROM quarantined JOIN free ON free.number = quarantined.number)
        ORDER BY offer
    ) AS offers
),
packed AS MATERIALIZED (
    SELECT
        id, bytes, quarantine, due_at, claim_lane, position,
        (SELECT offers FROM open_offers)[dense_rank() OVER (ORDER BY quarantine DESC, part)] AS offer
    FROM parted
    UNION ALL
    SELECT quarantined.id, 0, 2, quarantined.due_at, quarantined.claim_lane, :room + quarantined.number, free.offer
    FROM quarantined
    JOIN free ON free.number = quarantined.number
),
claimed AS (
    UPDATE messages SET status = 'processing', batch_id = (:batch_ids::uuid[])[packed.offer]
    FROM packed
    WHERE messages.id = packed.id AND packed.offer IS NOT NULL
    RETURNING messages.batch_id, packed.offer, packed.quarantine
),
opened AS (
    INSERT INTO batches (id, size, consumer, quarantined, claimed_at, lease_until)
    SELECT batch_id, count(*), (:consumers::text[])[min(offer)], max(quarantine) = 2, now(), now() + :lease::interval
    FROM claimed
    GROUP BY batch_id
    RETURNING id, size, quarantined
),
seen AS MATERIALIZED (
    SELECT
        claim_lane,
        count(*) AS messages,
        count(*) FILTER (WHERE offer IS NOT NULL) AS taken,
        sum(bytes) FILTER (WHERE offer IS NOT NULL) AS bytes,
        bool_or(offer IS NULL) AS left_over,
        coalesce(min(position) FILTER (WHERE offer IS NULL), max(position)) AS position
    FROM packed
    GROUP BY claim_lane
),
reached AS (
    SELECT
        claim_lane.number,
        coalesce(seen.taken, 0) AS taken,
        coalesce(seen.bytes, 0)::bigint AS bytes,
        CASE WHEN through.is_through THEN next.due_at ELSE coalesce(mark.due_at, claim_lane.mark_due_at) END AS due_at,
        CASE WHEN through.is_through THEN next.id ELSE coalesce(mark.id, claim_lane.mark_id) END AS id
    FROM claim_lane
    LEFT JOIN seen ON seen.claim_lane = claim_lane.number
    LEFT JOIN packed AS mark ON mark.position = seen.position
    CROSS JOIN LATERAL (
        SELECT
            NOT coalesce(seen.left_over, false)
            AND CASE WHEN claim_lane.share < 0
                THEN (SELECT count(*) FROM quarantined) < (SELECT count(*) FROM free)
                ELSE
                    coalesce(seen.messages, 0) < claim_lane.quota
                    AND (
                        (SELECT count(*) FROM packed) < :room
                        OR claim_lane.number < (SELECT max(claim_lane) FROM due)
                    )
            END
    ) AS through (is_through)
    LEFT JOIN LATERAL (
        SELECT due_at, id
        FROM messages
        WHERE
            through.is_through
            AND status IN ('pending', 'failed')
            AND queue = claim_lane.queue
            AND priority = claim_lane.priority
            AND share = claim_lane.share
            AND (due_at, id) >= (claim_lane.mark_due_at, claim_lane.mark_id)
            AND due_at > coalesce(:cutoff::timestamptz, now())
        ORDER BY due_at, id
        LIMIT 1
    ) AS next ON true
)
SELECT
    (SELECT vouched FROM marker) AS vouched,
    ARRAY(SELECT id FROM opened ORDER BY id) AS batch_ids,
    ARRAY(SELECT size FROM opened ORDER BY id) AS sizes,
    ARRAY(SELECT quarantined FROM opened ORDER BY id) AS quarantined,
    ARRAY(SELECT taken FROM reached ORDER BY number) AS taken,
    ARRAY(SELECT bytes FROM reached ORDER BY number) AS bytes,
    ARRAY(SELECT due_at FROM reached ORDER BY number) AS due_ats,
    ARRAY(SELECT id FROM reached ORDER BY number) AS ids;

-- name: waiting(queues, off_too)
-- The turns in which messages wait: the first message of each, and when it can be claimed at the earliest. One empty row
-- where none is.
{waiting_turns}
SELECT
    priority, queue, share, due_at, id,
    extract(epoch FROM CASE WHEN due_at IS NOT NULL THEN claimable_at(queues, due_at) END)::double precision AS claimable_at,
    extract(epoch FROM clock_timestamp())::double precision AS seen_at
FROM (SELECT) AS always
LEFT JOIN (claim_lane JOIN queues ON queues.name = claim_lane.queue) ON true;

-- name: release(ids)$
-- Gives back batches that nobody has started, as if they had never been claimed; returns the count of messages.
WITH undone AS (
    DELETE FROM batches WHERE id = ANY(:ids::uuid[]) AND started_at IS NULL RETURNING id
),
returned AS (
    UPDATE messages SET
        status = CASE WHEN tries + recoveries > 0 THEN 'failed' ELSE 'pending' END::message_status,
        batch_id = NULL
    FROM undone
    WHERE messages.batch_id = undone.id AND messages.status = 'processing'
    RETURNING 1
)
SELECT count(*) FROM returned;

-- name: unstarted_batches(consumer)
-- The batches on their way to a consumer, for it to release when it stops.
SELECT id FROM batches WHERE consumer = :consumer AND started_at IS NULL;

-- name: take(lease, id, consumer)
-- A consumer starts a batch, once; no rows where it is another's, started before, or gone.
-- Not a join: after an ANALYZE at which little was in processing, the planner would read all of that for each batch.
-- The columns are in the order of the fields of `Delivery`, which halves the time to make one; the time comes behind.
-- What was due before this became another server, or an older state, may have been delivered: as if unanswered. Rejected:
-- to look up the dedup records of every batch, 0.07 ms for one message, 0.14 for 100; to ask for the timeline is 0.01.
WITH taken AS (
    UPDATE batches SET started_at = now(), lease_until = now() + :lease::interval
    WHERE id = :id AND consumer = :consumer AND started_at IS NULL
    RETURNING id
),
changed AS MATERIALIZED (
    SELECT max(CASE WHEN timeline <> store_timeline() THEN now() ELSE changed_at END) AS moment FROM store_marker
)
SELECT
    id, user_id, queue, channel, recipient, subject, {whole_content} AS content, {own_headers} AS headers, max_tries,
    retry_delays, due_at, expires_at, created_at, {own_mail_bytes} AS mail_bytes, account, sender, batch_id, tries,
    recoveries, priority, unanswered OR (due_at <= changed.moment AND created_at <= changed.moment) IS TRUE AS unanswered,
    held_since, gateway, endpoint_id, event_id, statement_timestamp() AS seen_at
FROM messages
CROSS JOIN changed
WHERE batch_id = (SELECT id FROM taken) AND status = 'processing'
ORDER BY priority, due_at, id;

-- name: renew(lease, ids)
-- Extends the leases of a consumer's open batches; a batch that does not come back is lost.
UPDATE batches SET lease_until = now() + :lease::interval
WHERE id = ANY(:ids::uuid[])
RETURNING id;

-- name: record_outcomes(message_id, batch_id, status, tries, due_at, provider_message_id, sent_at, cancel_reason, last_error, unanswered, held_reason, gateway, consumer, started_at, duration, outcome, status_code, error, answer, closed_batch_ids)
-- Writes a group of outcomes with their attempts (where one was started), and closes the batches that are through: one
-- statement, one commit. Returns the ids that were recorded.
-- Fenced: an outcome whose message has meanwhile left its batch changes nothing, but the attempt is kept.
-- Locks all its batches, then its messages in the order of their ids, as `reclaim` does: in any other order the two
-- can wait for each other.
-- Finds each message by its id. After an ANALYZE at which little was in processing, the planner would read all of that
-- and compare it with each outcome: 437 ms for 400 outcomes beside 10,000 messages.
WITH outcome AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :message_id::uuid[], :batch_id::uuid[], :status::text[], :tries::smallint[], :due_at::timestamptz[],
        :provider_message_id::text[], :sent_at::timestamptz[], :cancel_reason::text[], :last_error::text[],
        :unanswered::boolean[], :held_reason::text[], :gateway::text[], :started_at::timestamptz[], :duration::double precision[],
        :outcome::text[], :status_code::integer[], :error::text[], :answer::text[]
    ) AS outcome (
        message_id, batch_id, status, tries, due_at, provider_message_id, sent_at, cancel_reason, last_error, unanswered,
        held_reason, gateway, started_at, duration, result, status_code, error, answer
    )
    ORDER BY message_id
),
closed AS MATERIALIZED (
    DELETE FROM batches WHERE id = ANY(:closed_batch_ids::uuid[]) RETURNING id
),
changed AS (
    UPDATE messages SET
        status = outcome.status::message_status,
        tries = outcome.tries,
        due_at = coalesce(outcome.due_at, messages.due_at),
        provider_message_id = outcome.provider_message_id,
        sent_at = outcome.sent_at,
        cancel_reason = outcome.cancel_reason::cancel_reason,
        last_error = coalesce(outcome.last_error, messages.last_error),
        unanswered = messages.unanswered OR outcome.unanswered,
        held_reason = outcome.held_reason,
        held_since = CASE WHEN outcome.held_reason IS NOT NULL THEN coalesce(messages.held_since, now()) END,
        gateway = coalesce(outcome.gateway, messages.gateway),
        batch_id = NULL
    FROM outcome
    WHERE
        messages.id = outcome.message_id
        AND messages.batch_id = outcome.batch_id
        AND coalesce(messages.status = 'processing', false)  -- so written, it finds no index and passes for usual
        AND (SELECT count(*) FROM closed) >= 0  -- always true; makes the batches go first
    RETURNING
        {changed_columns},
        CASE
            WHEN messages.status IN ('sent', 'cancelled') THEN 'message.' || messages.status
            WHEN outcome.started_at IS NOT NULL THEN 'message.failed'
            WHEN messages.held_since = now() THEN 'message.held'
        END AS event
),
{reported},
tried AS (
    INSERT INTO attempts (
        message_id, try, batch_id, consumer, started_at, duration, outcome, status_code, error, answer
    )
    SELECT
        message_id, tries, batch_id, :consumer, started_at, duration, result::attempt_outcome, status_code, error,
        answer
    FROM outcome
    WHERE started_at IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT ARRAY(SELECT id FROM changed) AS ids;

-- name: keep_remaining(message_ids, batch_ids, remaining)!
-- Which recipients of a mail have not got it yet, where others have. Fenced as record_outcomes is, and comes before it: a
-- crash in between sends the mail to nobody twice.
UPDATE mail_parts SET remaining = partial.remaining
FROM unnest(:message_ids::uuid[], :batch_ids::uuid[], :remaining::jsonb[]) AS partial (message_id, batch_id, remaining)
JOIN messages ON messages.id = partial.message_id AND messages.batch_id = partial.batch_id
WHERE mail_parts.message_id = partial.message_id AND messages.status = 'processing';

-- name: expired_batches(limit)^
-- The server's clock, when it started, and the batches whose lease ran out.
SELECT
    now() AS seen_at,
    pg_postmaster_start_time() AS server_started_at,
    ARRAY(SELECT id FROM batches WHERE lease_until < now() ORDER BY lease_until LIMIT :limit) AS ids;

-- name: reclaim(ids, seen_at, max_age, recoveries_allowed)^
-- Takes expired batches from their consumers. Never started: the messages go back as they were. Started: what became
-- of them is unknown, so each counts a recovery, and is cancelled as poison once it has been lost too often.
-- Nothing happens where more than max_age passed since the batches were seen: the server stalled in between, and the
-- consumers could not renew.
-- Locks all its batches, then their messages in the order of their ids, as `record_outcomes` does.
WITH lost AS MATERIALIZED (
    SELECT id FROM batches
    WHERE
        id = ANY(:ids::uuid[])
        AND lease_until < now()
        AND now() - :seen_at::timestamptz < :max_age::interval
    ORDER BY id
    FOR UPDATE
),
gone AS MATERIALIZED (
    DELETE FROM batches USING lost
    WHERE batches.id = lost.id
    RETURNING batches.id, started_at IS NOT NULL AS started
),
held AS MATERIALIZED (
    SELECT messages.id, gone.started
    FROM gone
    JOIN messages ON messages.batch_id = gone.id AND messages.status = 'processing'
    ORDER BY messages.id
    FOR UPDATE OF messages
),
changed AS (
    UPDATE messages SET
        status = CASE
            WHEN held.started AND recoveries + 1 >= :recoveries_allowed THEN 'cancelled'
            WHEN held.started OR tries + recoveries > 0 THEN 'failed'
            ELSE 'pending'
        END::message_status,
        cancel_reason = CASE WHEN held.started AND recoveries + 1 >= :recoveries_allowed THEN 'poison'::cancel_reason END,
        last_error = CASE WHEN held.started THEN 'its consumer was lost; the outcome is unknown' ELSE last_error END,
        recoveries = recoveries + held.started::integer,
        held_reason = CASE WHEN NOT held.started THEN held_reason END,
        held_since = CASE WHEN NOT held.started THEN held_since END,
        share = CASE WHEN recoveries + held.started::integer >= 2 THEN least(share, ~share) ELSE share END,
        batch_id = NULL
    FROM held
    WHERE messages.id = held.id
    RETURNING {changed_columns}, held.started, CASE messages.status WHEN 'cancelled' THEN 'message.cancelled' END AS event
),
{reported}
SELECT
    (SELECT count(*) FROM gone) AS batches,
    count(*) FILTER (WHERE NOT started) AS released,
    count(*) FILTER (WHERE started AND status <> 'cancelled') AS recovered,
    count(*) FILTER (WHERE status = 'cancelled') AS poisoned
FROM changed;

-- name: heal_orphans(recoveries_allowed)$
-- Messages in processing whose batch is gone come back as recovered. Returns the count, which should be 0.
WITH orphans AS MATERIALIZED (
    SELECT id FROM messages
    WHERE status = 'processing' AND NOT EXISTS (SELECT FROM batches WHERE batches.id = messages.batch_id)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE messages SET
        status = CASE WHEN recoveries + 1 >= :recoveries_allowed THEN 'cancelled' ELSE 'failed' END::message_status,
        cancel_reason = CASE WHEN recoveries + 1 >= :recoveries_allowed THEN 'poison'::cancel_reason END,
        last_error = 'its batch was lost; the outcome is unknown',
        recoveries = recoveries + 1,
        held_reason = NULL,
        held_since = NULL,
        share = CASE WHEN recoveries + 1 >= 2 THEN least(share, ~share) ELSE share END,
        batch_id = NULL
    FROM orphans
    WHERE messages.id = orphans.id
    RETURNING {changed_columns}, CASE messages.status WHEN 'cancelled' THEN 'message.cancelled' END AS event
),
{reported}
SELECT count(*) FROM changed;
