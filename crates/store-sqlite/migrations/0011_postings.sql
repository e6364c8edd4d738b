-- Positions with one term stand together in one row: it is named by the last of them, and this column
-- has how far each of the others lies before the one behind it. NULL: there are no others, as in
-- every row that was written before.
ALTER TABLE audit_terms ADD COLUMN others BLOB;
