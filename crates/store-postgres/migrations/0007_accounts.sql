-- Developers of apps: accounts, of which apps they are members, and links that let somebody in once. A
-- link of no app has the nil UUID for one.

CREATE TABLE accounts (
  account_id uuid  PRIMARY KEY,
  row        bytea NOT NULL
);

CREATE TABLE members (
  app_id     uuid  NOT NULL,
  account_id uuid  NOT NULL,
  row        bytea NOT NULL,
  PRIMARY KEY (app_id, account_id)
);
CREATE INDEX members_by_account ON members (account_id, app_id);

CREATE TABLE invites (
  token_key  bigint PRIMARY KEY,
  invite_id  uuid   NOT NULL,
  app_id     uuid   NOT NULL,
  expires_at bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE UNIQUE INDEX invites_by_id ON invites (invite_id);
CREATE INDEX invites_by_app ON invites (app_id, invite_id);
CREATE INDEX invites_by_end ON invites (expires_at);
