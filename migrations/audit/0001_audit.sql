-- What the audit has verified of every log, and where it found fault.
CREATE TABLE mirror (
  service TEXT NOT NULL,
  log_id BYTEA NOT NULL,
  scope TEXT NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0),
  frontier BYTEA NOT NULL,
  last_us BIGINT NOT NULL,
  closed BOOLEAN NOT NULL,
  PRIMARY KEY (service, log_id)
);
CREATE TABLE fault (
  service TEXT NOT NULL,
  log_id BYTEA NOT NULL,
  seq BIGINT NOT NULL,
  fault TEXT NOT NULL,
  found_us BIGINT NOT NULL,
  PRIMARY KEY (service, log_id, seq)
);
