-- Developers of apps: accounts, of which apps they are members, and links that let somebody in once. A
-- link of no app has 16 zero bytes for one.

CREATE TABLE accounts (
  account_id BLOB NOT NULL PRIMARY KEY,
  row        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  app_id     BLOB NOT NULL,
  account_id BLOB NOT NULL,
  row        BLOB NOT NULL,
  PRIMARY KEY (app_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_account ON members (account_id, app_id);

CREATE TABLE invites (
  token_key  INTEGER PRIMARY KEY,
  invite_id  BLOB    NOT NULL,
  app_id     BLOB    NOT NULL,
  expires_at INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX invites_by_id ON invites (invite_id);
CREATE INDEX invites_by_app ON invites (app_id, invite_id);
CREATE INDEX invites_by_end ON invites (expires_at);
