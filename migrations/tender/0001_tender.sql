-- What lists of tenders are made from; the truth is in the journal's tables beside these.

CREATE TABLE tender (
    -- "tenders/{uuid}"
    name TEXT NOT NULL PRIMARY KEY,
    state BIGINT NOT NULL,
    track BIGINT NOT NULL,
    -- "organizations/{credit_code}"
    purchaser TEXT NOT NULL,
    -- Everybody may see it: its notice is out.
    public BOOLEAN NOT NULL,
    create_us BIGINT NOT NULL,
    -- The title in small letters.
    search TEXT NOT NULL,
    -- The tender, encoded.
    body BYTEA NOT NULL
);

CREATE INDEX tender_by_time ON tender (create_us, name);
CREATE INDEX tender_by_purchaser ON tender (purchaser, create_us, name);

-- Institutions that a running key ceremony waits for.
CREATE TABLE ceremony_wait (
    tender TEXT NOT NULL,
    organization TEXT NOT NULL,
    PRIMARY KEY (tender, organization)
);

CREATE INDEX ceremony_wait_by_organization ON ceremony_wait (organization, tender);
