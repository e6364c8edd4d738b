-- A row of the log holds one record or several that one transaction appended one after the other;
-- `pos` is the position of its last record, and `records` says how many it holds. Rows from before
-- this migration hold one.

ALTER TABLE audit_log ADD COLUMN records INTEGER NOT NULL DEFAULT 1;
