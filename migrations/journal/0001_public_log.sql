-- The public log: one leaf per epoch, whatever happened. Only the service that publishes it has it.

CREATE TABLE epoch (
    -- From 0 without gaps; also the index of the leaf.
    n BIGINT NOT NULL PRIMARY KEY CHECK (n >= 0),
    at_us BIGINT NOT NULL,
    -- Over the blinded heads of all open logs.
    root BYTEA NOT NULL,
    -- The signed checkpoint of the log that ends with this epoch.
    checkpoint TEXT NOT NULL
);

-- The head of each log from this epoch on, until a later row of the same log. Only changes are
-- kept. Without a root, the log is no longer among the open ones.
CREATE TABLE epoch_head (
    log_id BYTEA NOT NULL,
    n BIGINT NOT NULL,
    size BIGINT NOT NULL,
    root BYTEA,
    PRIMARY KEY (log_id, n)
);

-- The hashes of the tree that tiles are made of: level 0 are the leaves, each higher level has one
-- hash for 256 of the level below.
CREATE TABLE public_node (
    level BIGINT NOT NULL,
    n BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, n)
);

-- The latest cosignature of each witness for each checkpoint.
CREATE TABLE cosignature (
    witness TEXT NOT NULL,
    size BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (witness, size)
);
