-- Receipts of gateways: reports of what became of a message, which name it by the gateway's own id for it.

-- Those whose message nobody knows yet. They come before the outcome is recorded, or never belong to one.
CREATE TABLE early_receipts (
    owner               uuid NOT NULL,
    gateway             text NOT NULL,
    provider_message_id text NOT NULL,
    receipt             text NOT NULL,
    detail              text,
    received_at         timestamptz NOT NULL DEFAULT now(),
    due_at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, gateway, provider_message_id)
);
COMMENT ON COLUMN early_receipts.owner IS
'the user whose gateway it is; all zeros: the operator, since an index finds no nulls by IS NOT DISTINCT FROM';
COMMENT ON COLUMN early_receipts.due_at IS 'when their messages are searched for again';
-- For join_receipts and forget_receipts.
CREATE INDEX early_receipts_due ON early_receipts (due_at);
