-- The newest record of each API key and public key, folded from the log.
CREATE TABLE key_use (
  key_id       uuid   PRIMARY KEY,
  last_used_at bigint NOT NULL
);
