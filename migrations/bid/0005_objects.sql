-- Whole payloads lie under a name that is used once, so that removing one upload's bytes can never meet
-- another's; and uploads may go to a remote store piece by piece, resumed by any process.

-- Whole before names were used once: its file lies under its root, and others with the root share it.
ALTER TABLE upload ADD COLUMN by_root BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE upload SET by_root = TRUE WHERE complete = TRUE;
-- The remote store's name for the upload; empty where bytes come to a local folder.
ALTER TABLE upload ADD COLUMN remote TEXT NOT NULL DEFAULT '';

-- Pieces that the remote store has, with the hashes of their chunks, until the upload is whole.
CREATE TABLE upload_piece (
    file TEXT NOT NULL,
    number BIGINT NOT NULL,
    -- The remote store's name for the piece.
    piece TEXT NOT NULL,
    leaves BYTEA NOT NULL,
    PRIMARY KEY (file, number)
);

-- Files that no upload has any more, until they are removed.
CREATE TABLE discarded (
    file TEXT NOT NULL PRIMARY KEY,
    remote TEXT NOT NULL
);

CREATE INDEX upload_file ON upload (file);
