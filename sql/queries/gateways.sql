-- name: gateways_changed()^
-- What is another one whenever a gateway was made, changed or deleted.
SELECT count(*) AS gateways, max(updated_at) AS updated_at FROM gateways;

-- name: all_gateways(limit)
-- Every gateway, for processes that route by them; the operator's first.
SELECT {gateway_columns}
FROM gateways
ORDER BY user_id NULLS FIRST, name
LIMIT :limit;

-- name: list_gateways(user_id)
-- Those of a user, or for null of the operator.
SELECT {gateway_columns}
FROM gateways
WHERE user_id IS NOT DISTINCT FROM :user_id
ORDER BY name;

-- name: lock_gateways()!
-- Whoever makes one waits for whoever is making another, so that their number is right.
SELECT pg_advisory_xact_lock(hashtextextended('tidings.gateways', 0));

-- name: count_gateways(user_id)^
-- How many there are of a user, or for null of the operator, and of everybody.
SELECT count(*) FILTER (WHERE user_id IS NOT DISTINCT FROM :user_id) AS own, count(*) AS all_of_them FROM gateways;

-- name: put_gateway(id, user_id, name, preset, spec, base_url, credentials, senders, users, prefixes, short_codes, weight, allows_duplicates, per_second, concurrency, price, enabled)^
-- Keeps a gateway, in the place of the one with that id.
INSERT INTO gateways (
    id, user_id, name, preset, spec, base_url, credentials, senders, users, prefixes, short_codes, weight,
    allows_duplicates, per_second, concurrency, price, enabled
)
VALUES (
    :id, :user_id, :name, :preset, :spec, :base_url, :credentials, :senders, :users, :prefixes, :short_codes, :weight,
    :allows_duplicates, :per_second, :concurrency, :price, :enabled
)
ON CONFLICT (id) DO UPDATE SET
    preset = excluded.preset, spec = excluded.spec, base_url = excluded.base_url, credentials = excluded.credentials,
    senders = excluded.senders, users = excluded.users, prefixes = excluded.prefixes,
    short_codes = excluded.short_codes, weight = excluded.weight, allows_duplicates = excluded.allows_duplicates,
    per_second = excluded.per_second,
    concurrency = excluded.concurrency, price = excluded.price, enabled = excluded.enabled,
    updated_at = clock_timestamp()
RETURNING {gateway_columns};

-- name: delete_gateway(user_id, name)^
-- Deletes a gateway and returns it; no row where there is none.
DELETE FROM gateways
WHERE user_id IS NOT DISTINCT FROM :user_id AND name = :name
RETURNING {gateway_columns};

-- name: release_gateway(user_id, endpoint)!
-- Somebody has changed a gateway: what held it by hand is over.
DELETE FROM holds
WHERE channel = 'sms' AND endpoint = :endpoint AND user_id IS NOT DISTINCT FROM :user_id;

-- name: sealed_gateways(after, limit)
-- A page of what is kept encrypted of gateways.
SELECT id, credentials
FROM gateways
WHERE id > :after AND credentials IS NOT NULL
ORDER BY id
LIMIT :limit;

-- name: reseal_gateways(ids, old, new)$
-- Puts new ciphertexts in the place of old ones, but not where one was changed meanwhile; returns the count.
WITH resealed AS (
    UPDATE gateways SET credentials = sealed.new, updated_at = clock_timestamp()
    FROM unnest(:ids::uuid[], :old::bytea[], :new::bytea[]) AS sealed (id, old, new)
    WHERE gateways.id = sealed.id AND gateways.credentials = sealed.old
    RETURNING 1
)
SELECT count(*) FROM resealed;
