-- What the registry looks up and lists. Every row follows from the organisations' logs and is
-- written in the same transaction as the record it follows from.

CREATE TABLE organization (
    -- "organizations/{credit_code}"
    name TEXT NOT NULL PRIMARY KEY,
    -- Number of OrganizationState.
    state BIGINT NOT NULL,
    -- Sum of 2^(number of OrganizationKind) over its kinds.
    kinds BIGINT NOT NULL,
    -- sunbid.registry.v1.Organization
    body BYTEA NOT NULL
);

CREATE TABLE subject (
    -- "organizations/{credit_code}/subjects/{id}"
    name TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    -- SHA-256 of the certificate.
    fingerprint BYTEA NOT NULL UNIQUE,
    -- Revoked: until when a token given before may still be shown. Otherwise 0.
    refused_until_us BIGINT NOT NULL,
    -- sunbid.registry.v1.Subject
    body BYTEA NOT NULL
);

CREATE INDEX subject_of_organization ON subject (organization, name);
CREATE INDEX subject_refused ON subject (refused_until_us);

-- Sessions until they expire.
CREATE TABLE session (
    session_id BYTEA NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    organization TEXT NOT NULL,
    expire_us BIGINT NOT NULL,
    -- Ended before its time: its token is refused.
    ended BOOLEAN NOT NULL
);

CREATE INDEX session_of_organization ON session (organization);
CREATE INDEX session_expiry ON session (expire_us);
