-- Bulk changes that take more than a moment: how far they are, and what is not claimed meanwhile.

-- Few rows; they are forgotten after a day.
CREATE TABLE changes (
    id         uuid PRIMARY KEY,
    user_id    uuid,
    action     text NOT NULL CHECK (action IN ('cancel', 'retry')),
    count      bigint NOT NULL DEFAULT 0,
    began_at   timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    stopped    boolean NOT NULL DEFAULT false,
    -- A lease, as that of a batch: whoever dies holds nothing for long.
    held_until timestamptz,
    queues     text[],
    shares     smallint[]
);
COMMENT ON COLUMN changes.queues IS 'what is held while held_until lasts; null: all queues';
COMMENT ON COLUMN changes.shares IS 'the turns in these queues that are held; null: all of them';
-- For claim, which asks each time: empty but for those that hold something now.
CREATE INDEX changes_held ON changes (held_until) WHERE held_until IS NOT NULL;
