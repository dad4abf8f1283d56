-- What comes back about mail that was sent, and the addresses that take no more of it.

-- Beside the status, which says what the receiver did: null, which costs nothing, until somebody reports.
ALTER TABLE messages ADD COLUMN receipt text, ADD COLUMN receipt_at timestamptz, ADD COLUMN receipt_detail text;

ALTER TYPE cancel_reason ADD VALUE 'suppressed';

CREATE TABLE suppressions (
    id         uuid PRIMARY KEY,
    owner      uuid NOT NULL,
    address    text NOT NULL CHECK (octet_length(address) <= 1024),
    reason     text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    detail     text CHECK (length(detail) <= 1000),
    message_id uuid,
    -- For find_suppressions, once a request that hands in mail.
    CONSTRAINT suppressions_once UNIQUE (owner, address)
);
COMMENT ON COLUMN suppressions.owner IS
'the user whose mail is not taken; all zeros: the operator, since an index finds no nulls by IS NOT DISTINCT FROM';
COMMENT ON COLUMN suppressions.address IS 'as checked, its ASCII letters in lower case';
-- For list_user_suppressions.
CREATE INDEX suppressions_owner ON suppressions (owner, id);
