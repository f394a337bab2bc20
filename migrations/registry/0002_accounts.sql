-- People who sign in without a certificate. What is secret stands here and in no record.

CREATE TABLE account (
    subject TEXT NOT NULL PRIMARY KEY,
    -- The version of the account in its stream that this row goes with.
    version BIGINT NOT NULL,
    -- Argon2id in PHC form; empty where there is no password.
    password TEXT NOT NULL,
    -- Public keys and counters of passkeys, JSON.
    passkeys BYTEA NOT NULL
);

-- Which identity of the provider signs in as whom.
CREATE TABLE identity (
    -- A keyed digest of issuer and identity.
    digest BYTEA NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL
);

CREATE INDEX identity_of_subject ON identity (subject);

-- Tries to sign in that have not succeeded yet, by a keyed digest of the account's name, whether there is
-- such an account or not.
CREATE TABLE attempt (
    account BYTEA NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    blocked_until_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL
);

CREATE INDEX attempt_age ON attempt (last_us);
