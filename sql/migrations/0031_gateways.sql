-- SMS gateways as rows, and what a text message has besides its text.

-- Null, which costs nothing, but of text messages: how many parts there are; whom it is from, where it says; which
-- gateway had it, but for that of WEBHOOK_URL.
ALTER TABLE messages ADD COLUMN sender text, ADD COLUMN sms_parts smallint, ADD COLUMN gateway text;

CREATE TABLE gateways (
    id                uuid PRIMARY KEY,
    user_id           uuid REFERENCES users ON DELETE CASCADE,
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    preset            text,
    spec              jsonb,
    base_url          text NOT NULL,
    credentials       bytea,  -- all together, encrypted
    senders           text[] NOT NULL,
    users             uuid[],
    prefixes          text[],
    short_codes       boolean NOT NULL,
    weight            integer NOT NULL CHECK (weight BETWEEN 0 AND 1000),
    allows_duplicates boolean NOT NULL,
    per_second        integer CHECK (per_second > 0),
    concurrency       integer CHECK (concurrency > 0),
    price             text,
    enabled           boolean NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT gateways_once UNIQUE NULLS NOT DISTINCT (user_id, name)
);
COMMENT ON COLUMN gateways.user_id IS 'null: the operator''s';
COMMENT ON COLUMN gateways.users IS 'of the operator''s: who may use it; null: everybody';
