-- concurrently
-- For revoke_api_key: the keys that a key made end with it.
CREATE INDEX api_keys_parent ON api_keys (parent_id) WHERE parent_id IS NOT NULL;
