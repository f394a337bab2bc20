-- The audit log of one service: state and record change together, in these tables, by one function.
-- Every key starts with log_id. Times are microseconds since 1970 UTC; ids are 16 random-looking bytes.

-- One row per log. A writer reads it first, so any later append to the same log makes the slower
-- writer's insert into journal fail.
CREATE TABLE journal_head (
    log_id BYTEA NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    -- RFC 6962 compact range: 32 bytes for each set bit of size.
    frontier BYTEA NOT NULL,
    root BYTEA NOT NULL,
    -- Time never goes back inside a log.
    last_us BIGINT NOT NULL,
    closed BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE journal (
    log_id BYTEA NOT NULL,
    -- Without gaps from 0; the key is the order and the compare-and-swap.
    seq BIGINT NOT NULL CHECK (seq >= 0),
    stream_id BYTEA NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    at_us BIGINT NOT NULL,
    -- SHA-256(0x00 || record)
    leaf BYTEA NOT NULL,
    -- Canonical header || SHA-256(body): never changes.
    record BYTEA NOT NULL,
    -- 32 bytes of salt || encoded event; NULL after a lawful erasure.
    body BYTEA,
    PRIMARY KEY (log_id, seq),
    UNIQUE (log_id, stream_id, version)
);

-- The state each stream's events add up to, as the service encodes it. The version counts the
-- stream's events and stays when the body goes.
CREATE TABLE stream_state (
    log_id BYTEA NOT NULL,
    stream_id BYTEA NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 0),
    body BYTEA,
    PRIMARY KEY (log_id, stream_id)
);

-- Commands that took effect: sent again they get the same reply and have no second effect.
CREATE TABLE command_seen (
    log_id BYTEA NOT NULL,
    command_id BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    reply BYTEA NOT NULL,
    first_seq BIGINT NOT NULL,
    events BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (log_id, command_id)
);

-- How far each consumer has read each log, in the consumer's own database.
CREATE TABLE consumer_cursor (
    consumer TEXT NOT NULL,
    log_id BYTEA NOT NULL,
    next_seq BIGINT NOT NULL CHECK (next_seq >= 0),
    PRIMARY KEY (consumer, log_id)
);
