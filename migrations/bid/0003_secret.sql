-- What this service alone knows: the same after every restart and for every process on this database.

CREATE TABLE secret (
    name TEXT NOT NULL PRIMARY KEY,
    secret BYTEA NOT NULL
);
