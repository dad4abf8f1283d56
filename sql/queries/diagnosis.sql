-- name: server_state()^
-- What a Postgres says of itself that decides whether tidings is safe on it.
SELECT
    current_setting('server_version_num')::integer AS version,
    split_part(current_setting('server_version'), ' ', 1) AS version_text,
    clock_timestamp() AS clock,
    pg_is_in_recovery() AS is_replica,
    current_setting('transaction_read_only')::boolean AS is_read_only,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync')::boolean AS fsync,
    current_setting('full_page_writes')::boolean AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('autovacuum')::boolean AS autovacuum,
    current_setting('transaction_isolation') AS isolation,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_make_partitions,
    pg_database_size(current_database()) AS size;

-- name: connection_state()^
-- How many connections there may be, how many there are, and which processes of ours hold them.
SELECT
    current_setting('max_connections')::integer
    - current_setting('superuser_reserved_connections')::integer
    - coalesce(current_setting('reserved_connections', true)::integer, 0) AS room,
    count(*) FILTER (WHERE backend_type = 'client backend') AS used,
    count(*) FILTER (WHERE application_name LIKE 'tidings %') AS ours,
    coalesce(
        extract(epoch FROM now() - min(xact_start) FILTER (
            WHERE
                backend_type = 'client backend'
                -- The leader's, through a pooler, holds back nothing.
                AND NOT (application_name LIKE 'tidings %' AND backend_xmin IS NULL AND backend_xid IS NULL)
        ))::double precision, 0
    ) AS oldest_transaction
FROM pg_stat_activity
WHERE pid <> pg_backend_pid();

-- name: missing_partitions()
-- The partitions for today and tomorrow, this week and the next, that are not there.
WITH needed AS (
    SELECT 'messages_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD') AS name
    FROM generate_series(date_trunc('week', now(), 'UTC'), now() + interval '168 hours', interval '168 hours') AS week
    UNION ALL
    SELECT 'attempts_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD')
    FROM generate_series(date_trunc('day', now(), 'UTC'), now() + interval '24 hours', interval '24 hours') AS day
)
SELECT name FROM needed
WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name))
ORDER BY name;

-- name: gateway_statuses()
-- The statuses with which the SMS gateway took the messages that were sent last.
SELECT DISTINCT attempts.status_code
FROM (
    SELECT id FROM messages WHERE status = 'sent' AND channel = 'sms' ORDER BY sent_at DESC LIMIT 20
) AS newest
JOIN attempts ON attempts.message_id = newest.id
WHERE attempts.outcome = 'accepted' AND attempts.status_code IS NOT NULL
ORDER BY attempts.status_code;

-- name: longest_overdue(queues, off_too)$
-- Seconds since the due time of the message that has waited longest for its claim in a queue that is on and has no
-- pace; 0 where none waits.
{waiting_turns}
SELECT greatest(coalesce(extract(epoch FROM now() - min(due_at))::double precision, 0), 0)
FROM claim_lane
JOIN queues ON queues.name = claim_lane.queue
WHERE queues.interval_seconds = 0;

-- name: anybody_leads()$
-- Whether a producer leads. (pg_locks shows the key of an advisory lock in two halves.)
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory'
        AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND objsubid = 1
        AND (classid::bigint << 32) | objid::bigint = {lead}
);
