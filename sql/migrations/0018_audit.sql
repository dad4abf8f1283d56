-- The audit log: who changed what beside single messages, when and from where.

CREATE TABLE audit (
    id         uuid PRIMARY KEY,
    actor      text NOT NULL,
    user_id    uuid,
    key_id     uuid,
    session_id uuid,
    address    text CHECK (length(address) <= 100),
    action     text NOT NULL,
    subject    text CHECK (length(subject) <= 200),
    owner      uuid,
    detail     jsonb NOT NULL CHECK (pg_column_size(detail) <= 65536),
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN audit.owner IS 'whose thing was changed, where that is another user than user_id';
-- For list_user_audit. Its users may be gone: what they did stays for as long as the log is kept.
CREATE INDEX audit_user ON audit (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_owner ON audit (owner, id) WHERE owner IS NOT NULL;
