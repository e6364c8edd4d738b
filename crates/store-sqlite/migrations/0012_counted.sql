-- Up to where `usage` and the heads in `chains` have what the log says: until now each transaction
-- wrote them, so all of it.
ALTER TABLE fold ADD COLUMN counted_to INTEGER NOT NULL DEFAULT 0;
UPDATE fold SET counted_to = coalesce(
  (SELECT max(pos) FROM audit_log),
  (SELECT max(first_pos) - 1 FROM audit_segments),
  0);
