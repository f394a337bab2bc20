-- What is published, for reading: lists, search, permanent addresses.
CREATE TABLE notice (
  name TEXT NOT NULL PRIMARY KEY,
  kind BIGINT NOT NULL,
  tender TEXT NOT NULL,
  title TEXT NOT NULL,
  publish_us BIGINT NOT NULL,
  body BYTEA NOT NULL
);
CREATE INDEX notice_newest ON notice (publish_us, name);
CREATE INDEX notice_of_tender ON notice (tender, publish_us, name);
CREATE TABLE intent (
  name TEXT NOT NULL PRIMARY KEY,
  publish_us BIGINT NOT NULL,
  body BYTEA NOT NULL
);
-- Questions; who asked is for the asker alone.
CREATE TABLE question (
  name TEXT NOT NULL PRIMARY KEY,
  tender TEXT NOT NULL,
  asker TEXT NOT NULL,
  ask_us BIGINT NOT NULL,
  body BYTEA NOT NULL
);
CREATE INDEX question_of_tender ON question (tender, ask_us, name);
