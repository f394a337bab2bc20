-- When bids could be taken. The proof that they can is renewed in one row by whichever process has it;
-- an outage stands in the intake log, and here until every tender was judged by it.

CREATE TABLE intake_proof (
    name TEXT NOT NULL PRIMARY KEY,
    -- The last proof, microseconds; by which start of which machine, and its steady clock then.
    at_us BIGINT NOT NULL,
    boot TEXT NOT NULL,
    steady_us BIGINT NOT NULL,
    -- Rises with every proof: names the gap that follows it.
    beat BIGINT NOT NULL
);

CREATE TABLE intake_outage (
    -- Of its record in the intake log.
    seq BIGINT NOT NULL PRIMARY KEY,
    -- sunbid.bid.v1.Outage
    body BYTEA NOT NULL,
    settled BOOLEAN NOT NULL
);

-- Outages and announced maintenance, as they are listed.
CREATE TABLE intake_entry (
    seq BIGINT NOT NULL PRIMARY KEY,
    -- sunbid.bid.v1.IntakeEntry
    body BYTEA NOT NULL
);
