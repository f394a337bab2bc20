-- Who may move a tender's deadline this moment: one clarification at a time. A lease, no record; what
-- happened stands in the log.

CREATE TABLE reservation (
    tender TEXT NOT NULL PRIMARY KEY,
    -- The clarification that holds it: "notices/{uuid}".
    notice TEXT NOT NULL,
    -- When it ends by itself, microseconds.
    until_us BIGINT NOT NULL
);
