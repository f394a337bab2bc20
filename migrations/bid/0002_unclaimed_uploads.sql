-- Which uploads a submission was built on, and when the others last moved: those are dropped after a
-- while. What was there before stays: whole uploads may be part of a bid, and parts of one are kept
-- until their tender closes.

ALTER TABLE upload ADD COLUMN claimed BOOLEAN NOT NULL DEFAULT FALSE;
-- When bytes last came, or a submission last asked for them; microseconds.
ALTER TABLE upload ADD COLUMN touched_us BIGINT NOT NULL DEFAULT 0;

UPDATE upload SET claimed = TRUE WHERE complete = TRUE;
UPDATE upload SET touched_us = COALESCE(
    (SELECT b.deadline_us FROM bidding b WHERE b.tender = upload.tender), 0);

CREATE INDEX upload_unclaimed ON upload (claimed, touched_us);
CREATE INDEX upload_root ON upload (root);
