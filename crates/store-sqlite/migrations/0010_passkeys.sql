-- Passkeys of developers, under the SHA-256 of what their authenticators call them, and the challenges that
-- browsers answer, under their own.

CREATE TABLE passkeys (
  passkey    BLOB    NOT NULL PRIMARY KEY,
  account_id BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_account ON passkeys (account_id, created_at, passkey);

CREATE TABLE challenges (
  challenge  BLOB    NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX challenges_by_end ON challenges (expires_at);
