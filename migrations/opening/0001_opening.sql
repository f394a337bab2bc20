-- Sessions as the service looks for them, and the records that were published.
CREATE TABLE session (
  tender TEXT NOT NULL PRIMARY KEY,
  stage BIGINT NOT NULL,
  deadline_us BIGINT NOT NULL
);
CREATE INDEX session_by_stage ON session (stage, deadline_us);
CREATE TABLE opening_record (
  tender TEXT NOT NULL PRIMARY KEY,
  record BYTEA NOT NULL
);
