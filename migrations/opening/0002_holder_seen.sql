-- When an institution's daemon was last connected to any process, for the operator's gauges. No record: it
-- follows from nothing and nothing follows from it.

CREATE TABLE holder_seen (
    -- "organizations/{credit_code}"
    organization TEXT NOT NULL PRIMARY KEY,
    seen_us BIGINT NOT NULL
);
