-- The newest record of each API key and public key, folded from the log. What was folded before this
-- migration is not looked at again: a key that was used only then has no row until it is used.

CREATE TABLE key_use (
  key_id       BLOB    NOT NULL PRIMARY KEY,
  last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
