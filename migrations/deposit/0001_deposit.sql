-- What is looked up by other keys than a log's. All of it follows from the records of the deposit
-- logs (bid_seen: of the bid logs) and is written in the same transaction as they are.

-- Virtual accounts that were given out, each for one supplier and lot.
CREATE TABLE virtual_account (
    account TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    tender TEXT NOT NULL,
    lot_id TEXT NOT NULL,
    supplier TEXT NOT NULL,
    UNIQUE (tender, lot_id, supplier)
);

CREATE INDEX virtual_account_by_supplier ON virtual_account (supplier, account);

-- Tenders that were announced; revealed: the bids are no secret any more.
CREATE TABLE tender_terms (
    tender TEXT NOT NULL PRIMARY KEY,
    revealed BOOLEAN NOT NULL
);

-- The ledger, only ever appended to. The key refuses a credit or a refund booked twice.
CREATE TABLE posting (
    posting TEXT NOT NULL,
    line BIGINT NOT NULL,
    tender TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    PRIMARY KEY (posting, line)
);

CREATE INDEX posting_by_tender ON posting (tender);

-- Credits by the bank's reference, with the digest of what was said of them.
CREATE TABLE bank_credit (
    bank_reference TEXT NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL
);

-- Payments back. standing: 0 due, 1 the bank was told, 2 the bank paid.
CREATE TABLE refund (
    payment_id TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    account TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    creditor_account TEXT NOT NULL,
    creditor_name TEXT NOT NULL,
    standing BIGINT NOT NULL,
    next_time_us BIGINT NOT NULL
);

CREATE INDEX refund_by_standing ON refund (standing, next_time_us);

-- Whose bid a bundle is.
CREATE TABLE bid_seen (
    bundle BYTEA NOT NULL PRIMARY KEY,
    lot_id TEXT NOT NULL,
    supplier TEXT NOT NULL
);
