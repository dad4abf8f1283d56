-- Accounts that are disabled, deleted, or have proven their e-mail address.

ALTER TABLE users
    -- Null: it works. Otherwise no credential of its is good, and its messages wait.
    ADD COLUMN disabled_at timestamptz,
    -- True from the request to the end of its deletion, which takes the row away.
    ADD COLUMN deleting boolean NOT NULL DEFAULT false,
    -- After it was enabled again: until then what waited is made due, by the producer that leads.
    ADD COLUMN wake_until timestamptz,
    -- When its e-mail address was proven to be its user's; null: it was not. Who is there already is taken to have
    -- proven it, which the default says without writing each row.
    ADD COLUMN proven_at timestamptz DEFAULT now(),
    -- How many mails about the account went to its address since mails_since, and the last of them, which are messages
    -- of the operator's and have to go with the account.
    ADD COLUMN mails smallint NOT NULL DEFAULT 0,
    ADD COLUMN mails_since timestamptz,
    ADD COLUMN mail_ids uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE users ALTER COLUMN proven_at DROP DEFAULT;
-- For to_wake.
CREATE INDEX users_wake ON users (id) WHERE wake_until IS NOT NULL;

-- An admin who can act is always left. In the database, since two admins can take the right from each other at the same
-- moment: the lock lets one go first, and the query after it sees what the first has committed.
CREATE FUNCTION keep_an_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tidings.admins', 0));
    IF NOT EXISTS (SELECT FROM users WHERE role = 'admin' AND disabled_at IS NULL AND id <> OLD.id) THEN
        RAISE EXCEPTION 'the last admin stays one' USING ERRCODE = 'check_violation', CONSTRAINT = 'last_admin';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER last_admin_changed BEFORE UPDATE OF role, disabled_at ON users FOR EACH ROW
WHEN (OLD.role = 'admin' AND OLD.disabled_at IS NULL AND (NEW.role <> 'admin' OR NEW.disabled_at IS NOT NULL))
EXECUTE FUNCTION keep_an_admin();
CREATE TRIGGER last_admin_deleted BEFORE DELETE ON users FOR EACH ROW
WHEN (OLD.role = 'admin' AND OLD.disabled_at IS NULL)
EXECUTE FUNCTION keep_an_admin();

-- Deletions of accounts: a job each, done in pieces by the producer that leads.
CREATE TABLE deletions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL UNIQUE,
    requested_at timestamptz NOT NULL DEFAULT now(),
    -- The pass over the user's messages, in the order of their ids: when it began, how far it is, and after which message
    -- the first piece begins that had messages on their way.
    pass_began_at timestamptz NOT NULL DEFAULT now(),
    erased_up_to uuid,
    left_after   uuid,
    cancelled    bigint NOT NULL DEFAULT 0,
    erased       bigint NOT NULL DEFAULT 0,
    finished_at  timestamptz
);
-- For open_deletions.
CREATE INDEX deletions_open ON deletions (requested_at) WHERE finished_at IS NULL;

ALTER TYPE cancel_reason ADD VALUE 'deleted';
