-- How a user's mail server is spoken to, and who hears that a user has changed.

ALTER TABLE users
    DROP CONSTRAINT smtp_whole,
    ADD COLUMN smtp_tls text CHECK (smtp_tls IN ('starttls', 'implicit', 'none'));
UPDATE users SET smtp_tls = 'none' WHERE smtp_plaintext;
ALTER TABLE users
    DROP COLUMN smtp_plaintext,
    ADD CONSTRAINT smtp_whole CHECK (
        (smtp_host IS NULL) = (smtp_port IS NULL)
        AND (smtp_host IS NOT NULL OR num_nonnulls(smtp_username, smtp_password, smtp_tls) = 0)
    );
COMMENT ON COLUMN users.smtp_tls IS 'null: as the port has it; none also needs SMTP_ALLOW_PLAINTEXT';

-- Consumers cache what they need of a user; a mended account is used at once.
CREATE FUNCTION user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tidings_users', OLD.id::text);
    RETURN NULL;
END $$;

CREATE TRIGGER user_changed AFTER UPDATE OR DELETE ON users
FOR EACH ROW EXECUTE FUNCTION user_changed();
