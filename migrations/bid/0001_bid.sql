-- What the bid service keeps beside its log: when boxes close, who bid where, and sealed payloads.
-- Nothing here says anything that the log does not; the payload tables hold ciphertext only.

-- One row per tender whose bidding opened: when to close it. Written with the box's own events.
CREATE TABLE bidding (
    tender TEXT NOT NULL PRIMARY KEY,
    deadline_us BIGINT NOT NULL,
    held BOOLEAN NOT NULL,
    -- Closed or ended: takes nothing further.
    finished BOOLEAN NOT NULL
);

CREATE INDEX bidding_deadline ON bidding (finished, deadline_us);

-- Where an organisation has bid, for its own list.
CREATE TABLE own_bid (
    organization TEXT NOT NULL,
    tender TEXT NOT NULL,
    lot_id TEXT NOT NULL,
    PRIMARY KEY (organization, tender, lot_id)
);

-- Sealed payloads small enough to travel with the submission, in the same transaction.
CREATE TABLE small_payload (
    root BYTEA NOT NULL PRIMARY KEY,
    payload BYTEA NOT NULL
);

-- Sealed payloads that are sent ahead, possibly in several goes.
CREATE TABLE upload (
    organization TEXT NOT NULL,
    tender TEXT NOT NULL,
    lot_id TEXT NOT NULL,
    root BYTEA NOT NULL,
    payload_bytes BIGINT NOT NULL,
    -- On the disk beyond doubt; always whole chunks.
    committed_bytes BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    -- Random name in the folder of incoming files.
    file TEXT NOT NULL,
    PRIMARY KEY (organization, tender, lot_id, root)
);

CREATE INDEX upload_tender ON upload (tender, complete);
