-- Passkeys of developers, under the SHA-256 of what their authenticators call them, and the challenges that
-- browsers answer, under their own.

CREATE TABLE passkeys (
  passkey    bytea  PRIMARY KEY,
  account_id uuid   NOT NULL,
  created_at bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE INDEX passkeys_by_account ON passkeys (account_id, created_at, passkey);

CREATE TABLE challenges (
  challenge  bytea  PRIMARY KEY,
  expires_at bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE INDEX challenges_by_end ON challenges (expires_at);
