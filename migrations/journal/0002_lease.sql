-- Which of several processes does what only one may: the one whose beat goes on. No clock is compared
-- with another's.
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    -- Random, new with each start of a process.
    holder BYTEA NOT NULL,
    -- Rises whenever another process takes over, which fences the one before off.
    term BIGINT NOT NULL,
    -- Rises while the holder lives; -1 when it gave the lease back.
    beat BIGINT NOT NULL
);
