-- name: claim(priorities, queues, mark_due_ats, mark_ids, cutoff, room, batch_size, batch_ids, consumers, lease)
-- Takes due messages into new batches: one batch for each id in batch_ids, for the consumer beside it.
-- A claim lane is a queue at a priority, in the order in which they are served, with the mark before which nothing waits
-- in it. The lateral keeps that order, reads no more than it needs, and locks only what it reads; an ORDER BY outside it
-- would make it read and lock every claim lane first.
-- Recovered messages are in quarantine: in tens after one loss of their consumer, alone (and first) after more.
-- `reached` is the new low-water mark of each claim lane: all that was seen before it has been taken.
WITH due AS MATERIALIZED (
    SELECT ready.id, least(ready.recoveries, 2) AS quarantine, ready.due_at, claim_lane.number AS claim_lane
    FROM unnest(:priorities::smallint[], :queues::text[], :mark_due_ats::timestamptz[], :mark_ids::uuid[])
        WITH ORDINALITY AS claim_lane (priority, queue, mark_due_at, mark_id, number)
    CROSS JOIN LATERAL (
        SELECT id, recoveries, due_at
        FROM messages
        WHERE
            status IN ('pending', 'failed')
            AND queue = claim_lane.queue
            AND priority = claim_lane.priority
            AND (due_at, id) >= (claim_lane.mark_due_at, claim_lane.mark_id)
            AND due_at <= coalesce(:cutoff::timestamptz, now())
            AND (SELECT active FROM queues WHERE name = claim_lane.queue)
        ORDER BY due_at, id
        LIMIT :room
        FOR UPDATE SKIP LOCKED
    ) AS ready
    LIMIT :room
),
numbered AS (
    SELECT *, row_number() OVER () AS position FROM due
),
parted AS (
    SELECT
        *,
        (row_number() OVER (PARTITION BY quarantine ORDER BY position) - 1)
        / CASE quarantine WHEN 0 THEN :batch_size::integer WHEN 1 THEN greatest(:batch_size / 10, 1) ELSE 1 END AS part
    FROM numbered
),
packed AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY quarantine DESC, part) AS number FROM parted
),
claimed AS (
    UPDATE messages SET status = 'processing', batch_id = (:batch_ids::uuid[])[packed.number]
    FROM packed
    WHERE messages.id = packed.id AND packed.number <= cardinality(:batch_ids::uuid[])
    RETURNING messages.batch_id, packed.number, packed.quarantine
),
opened AS (
    INSERT INTO batches (id, size, consumer, claimed_at, lease_until)
    SELECT batch_id, count(*), (:consumers::text[])[min(number)], now(), now() + :lease::interval
    FROM claimed
    GROUP BY batch_id
),
reached AS (
    SELECT claim_lane.number, mark.due_at, mark.id
    FROM generate_series(1, cardinality(:queues::text[])) AS claim_lane (number)
    LEFT JOIN LATERAL (
        (
            SELECT due_at, id FROM packed
            WHERE packed.claim_lane = claim_lane.number AND packed.number > cardinality(:batch_ids::uuid[])
            ORDER BY due_at, id
            LIMIT 1
        )
        UNION ALL
        (SELECT due_at, id FROM packed WHERE packed.claim_lane = claim_lane.number ORDER BY due_at DESC, id DESC LIMIT 1)
        LIMIT 1
    ) AS mark ON true
)
SELECT
    batch_id AS id,
    count(*) AS size,
    bool_or(quarantine = 2) AS quarantined,
    ARRAY(SELECT due_at FROM reached ORDER BY number) AS reached_due_ats,
    ARRAY(SELECT id FROM reached ORDER BY number) AS reached_ids
FROM claimed
GROUP BY batch_id;

-- name: next_due(priorities, queues, mark_due_ats, mark_ids)$
-- Seconds until a message of an active queue can next be claimed: 0 or less means now, null means none is waiting.
-- Of the claim lanes that are named, before whose low-water mark nothing waits, only the rest is read.
SELECT extract(epoch FROM min(claimable_at(queues, ready.due_at)) - now())::double precision
FROM queues
CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS claim_lane (priority)
LEFT JOIN unnest(:priorities::smallint[], :queues::text[], :mark_due_ats::timestamptz[], :mark_ids::uuid[])
    AS known (priority, queue, due_at, id) ON known.priority = claim_lane.priority AND known.queue = queues.name
CROSS JOIN LATERAL (
    SELECT due_at
    FROM messages
    WHERE
        status IN ('pending', 'failed')
        AND queue = queues.name
        AND priority = claim_lane.priority
        AND (due_at, id) >= (
            coalesce(known.due_at, '-infinity'), coalesce(known.id, '00000000-0000-0000-0000-000000000000')
        )
    ORDER BY due_at, id
    LIMIT 1
) AS ready
WHERE queues.active;

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
WITH taken AS (
    UPDATE batches SET started_at = now(), lease_until = now() + :lease::interval
    WHERE id = :id AND consumer = :consumer AND started_at IS NULL
    RETURNING id
)
SELECT
    messages.id, batch_id, user_id, queue, channel, recipient, subject, content, headers, tries, max_tries,
    retry_delays, recoveries, unanswered, due_at, expires_at, created_at,
    mail_bytes
FROM taken
JOIN messages ON messages.batch_id = taken.id AND messages.status = 'processing'
ORDER BY priority, due_at, messages.id;

-- name: renew(lease, ids)
-- Extends the leases of a consumer's open batches; a batch that does not come back is lost.
UPDATE batches SET lease_until = now() + :lease::interval
WHERE id = ANY(:ids::uuid[])
RETURNING id;

-- name: record_outcomes(message_id, batch_id, status, tries, due_at, provider_message_id, sent_at, cancel_reason, last_error, unanswered, consumer, started_at, duration, outcome, status_code, error, answer, closed_batch_ids)
-- Writes a group of outcomes with their attempts (where one was started), and closes the batches that are through: one
-- statement, one commit. Returns the ids that were recorded.
-- Fenced: an outcome whose message has meanwhile left its batch changes nothing, but the attempt is kept.
-- Locks all its batches, then its messages in the order of their ids, as `reclaim` does: in any other order the two
-- can wait for each other.
WITH outcome AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :message_id::uuid[], :batch_id::uuid[], :status::text[], :tries::smallint[], :due_at::timestamptz[],
        :provider_message_id::text[], :sent_at::timestamptz[], :cancel_reason::text[], :last_error::text[],
        :unanswered::boolean[], :started_at::timestamptz[], :duration::double precision[], :outcome::text[],
        :status_code::integer[], :error::text[], :answer::text[]
    ) AS outcome (
        message_id, batch_id, status, tries, due_at, provider_message_id, sent_at, cancel_reason, last_error, unanswered,
        started_at, duration, result, status_code, error, answer
    )
    ORDER BY message_id
),
closed AS MATERIALIZED (
    DELETE FROM batches WHERE id = ANY(:closed_batch_ids::uuid[]) RETURNING id
),
recorded AS (
    UPDATE messages SET
        status = outcome.status::message_status,
        tries = outcome.tries,
        due_at = coalesce(outcome.due_at, messages.due_at),
        provider_message_id = outcome.provider_message_id,
        sent_at = outcome.sent_at,
        cancel_reason = outcome.cancel_reason::cancel_reason,
        last_error = coalesce(outcome.last_error, messages.last_error),
        unanswered = messages.unanswered OR outcome.unanswered,
        batch_id = NULL
    FROM outcome
    WHERE
        messages.id = outcome.message_id
        AND messages.batch_id = outcome.batch_id
        AND messages.status = 'processing'
        AND (SELECT count(*) FROM closed) >= 0  -- always true; makes the batches go first
    RETURNING messages.id
),
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
SELECT ARRAY(SELECT id FROM recorded) AS ids;

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
returned AS (
    UPDATE messages SET
        status = CASE
            WHEN held.started AND recoveries + 1 >= :recoveries_allowed THEN 'cancelled'
            WHEN held.started OR tries + recoveries > 0 THEN 'failed'
            ELSE 'pending'
        END::message_status,
        cancel_reason = CASE WHEN held.started AND recoveries + 1 >= :recoveries_allowed THEN 'poison'::cancel_reason END,
        last_error = CASE WHEN held.started THEN 'its consumer was lost; the outcome is unknown' ELSE last_error END,
        recoveries = recoveries + held.started::integer,
        batch_id = NULL
    FROM held
    WHERE messages.id = held.id
    RETURNING held.started, messages.status
)
SELECT
    (SELECT count(*) FROM gone) AS batches,
    count(*) FILTER (WHERE NOT started) AS released,
    count(*) FILTER (WHERE started AND status <> 'cancelled') AS recovered,
    count(*) FILTER (WHERE status = 'cancelled') AS poisoned
FROM returned;

-- name: heal_orphans(recoveries_allowed)$
-- Messages in processing whose batch is gone come back as recovered. Returns the count, which should be 0.
WITH orphans AS MATERIALIZED (
    SELECT id FROM messages
    WHERE status = 'processing' AND NOT EXISTS (SELECT FROM batches WHERE batches.id = messages.batch_id)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
),
healed AS (
    UPDATE messages SET
        status = CASE WHEN recoveries + 1 >= :recoveries_allowed THEN 'cancelled' ELSE 'failed' END::message_status,
        cancel_reason = CASE WHEN recoveries + 1 >= :recoveries_allowed THEN 'poison'::cancel_reason END,
        last_error = 'its batch was lost; the outcome is unknown',
        recoveries = recoveries + 1,
        batch_id = NULL
    FROM orphans
    WHERE messages.id = orphans.id
    RETURNING 1
)
SELECT count(*) FROM healed;
