-- Limits that an admin has given a user instead of those of the settings.
CREATE TABLE quotas (
    user_id       uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    per_second    integer CHECK (per_second >= 0),
    per_day       integer CHECK (per_day >= 0),
    waiting       integer CHECK (waiting >= 0),
    waiting_bytes bigint CHECK (waiting_bytes >= 0)
);
COMMENT ON TABLE quotas IS 'null: that of the settings; 0: no limit';
