-- What lists of notices and questions are made from; the truth is in the journal's tables beside
-- these.

CREATE TABLE notice (
    -- "notices/{uuid}"
    name TEXT NOT NULL PRIMARY KEY,
    kind BIGINT NOT NULL,
    -- "tenders/{uuid}"; empty for intents.
    tender TEXT NOT NULL,
    publish_us BIGINT NOT NULL,
    -- The title in small letters.
    search TEXT NOT NULL,
    -- The notice, encoded.
    body BYTEA NOT NULL
);

CREATE INDEX notice_by_time ON notice (publish_us, name);
CREATE INDEX notice_by_tender ON notice (tender, publish_us, name);

CREATE TABLE question (
    -- "tenders/{uuid}/questions/{uuid}"
    name TEXT NOT NULL PRIMARY KEY,
    tender TEXT NOT NULL,
    -- Who asked; shown to the asker alone.
    asker TEXT NOT NULL,
    answered BOOLEAN NOT NULL,
    ask_us BIGINT NOT NULL,
    -- The question, encoded.
    body BYTEA NOT NULL
);

CREATE INDEX question_by_tender ON question (tender, ask_us, name);
