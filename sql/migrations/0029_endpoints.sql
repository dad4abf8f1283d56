-- Webhook endpoints, and the events that fan out to them: a message for each endpoint, the payload once.

CREATE TABLE endpoints (
    id              uuid PRIMARY KEY,
    user_id         uuid REFERENCES users ON DELETE CASCADE,
    owner           uuid NOT NULL
                    GENERATED ALWAYS AS (coalesce(user_id, '00000000-0000-0000-0000-000000000000')) STORED,
    url             text NOT NULL CHECK (octet_length(url) <= 2048),
    description     text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    customer        text NOT NULL DEFAULT '' CHECK (length(customer) <= 200),
    event_types     text[],
    labels          text[],
    sealed          bytea,           -- headers, credentials and client certificate, encrypted
    secret          bytea NOT NULL,  -- this and the next one encrypted
    previous_secret bytea,
    previous_until  timestamptz,
    rate_limit      integer CHECK (rate_limit > 0),
    retry_delays    jsonb,
    max_tries       smallint CHECK (max_tries > 0),
    disabled_at     timestamptz,
    disabled_reason text,
    owner_notified  boolean NOT NULL DEFAULT true,
    failing_since   timestamptz,
    last_failed_at  timestamptz,
    last_error      text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reason_while_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
COMMENT ON COLUMN endpoints.owner IS 'the user, or for the operator zero, which is no null';
COMMENT ON COLUMN endpoints.customer IS 'of the user''s own; empty: none, *: all of them';
COMMENT ON COLUMN endpoints.event_types IS 'null: all';
COMMENT ON COLUMN endpoints.rate_limit IS 'messages a second, by all consumers together';
COMMENT ON COLUMN endpoints.owner_notified IS 'whether the owner knows that it was disabled';
-- For fan_out.
CREATE INDEX endpoints_of_customer ON endpoints (owner, customer);
-- For endpoints_to_notify.
CREATE INDEX endpoints_to_notify ON endpoints (id) WHERE NOT owner_notified;

CREATE TABLE events (
    id          uuid PRIMARY KEY,
    user_id     uuid,
    owner       uuid NOT NULL
                GENERATED ALWAYS AS (coalesce(user_id, '00000000-0000-0000-0000-000000000000')) STORED,
    type        text NOT NULL,
    customer    text NOT NULL DEFAULT '',
    labels      text[],
    payload     text NOT NULL,
    of_system   boolean NOT NULL DEFAULT false,
    endpoint_id uuid,
    created_at  timestamptz NOT NULL
);
COMMENT ON COLUMN events.of_system IS 'tells of tidings itself: goes to endpoints that name its type, not to those that take all';
COMMENT ON COLUMN events.payload IS 'JSON, letter for letter as it came: signatures are over it';
COMMENT ON COLUMN events.endpoint_id IS 'a test event goes to this endpoint and no other';
-- For events_since and erase_beside.
CREATE INDEX events_of_owner ON events (owner, id);

-- The entries of `event_types` that a type fits: of a.b.c these are a.b.c, a.* and a.b.*
CREATE FUNCTION type_patterns(type text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY[type] || ARRAY(
    SELECT array_to_string(parts[1:count], '.') || '.*'
    FROM string_to_array(type, '.') AS parts
    CROSS JOIN generate_series(1, cardinality(parts) - 1) AS count
);

-- Null, which costs nothing, but for what fans out.
ALTER TABLE messages ADD COLUMN endpoint_id uuid, ADD COLUMN event_id uuid;

-- Consumers cache endpoints. What deliveries write there of success and failure is nothing that they need to hear.
CREATE FUNCTION endpoint_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tidings_endpoints', OLD.id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER endpoint_changed AFTER UPDATE ON endpoints FOR EACH ROW
WHEN (
    (OLD.updated_at, OLD.disabled_at, OLD.failing_since IS NULL, OLD.secret, OLD.sealed)
    IS DISTINCT FROM (NEW.updated_at, NEW.disabled_at, NEW.failing_since IS NULL, NEW.secret, NEW.sealed)
)
EXECUTE FUNCTION endpoint_changed();
CREATE TRIGGER endpoint_deleted AFTER DELETE ON endpoints FOR EACH ROW EXECUTE FUNCTION endpoint_changed();
