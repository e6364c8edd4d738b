-- OAuth: which app has which resource, what clients ask for, what their secrets open, the OAuth part of
-- connections, clients that registered. `forget_at` of what goes with its connection is the end of time.

CREATE TABLE resources (
  uri    TEXT NOT NULL PRIMARY KEY,
  tenant BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE authorization_requests (
  request_id BLOB    NOT NULL PRIMARY KEY,
  kept_until INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_requests_by_end ON authorization_requests (kept_until);

CREATE TABLE oauth_secrets (
  token_key INTEGER PRIMARY KEY,
  forget_at INTEGER NOT NULL,
  row       BLOB    NOT NULL
) STRICT;
CREATE INDEX oauth_secrets_by_end ON oauth_secrets (forget_at);

CREATE TABLE oauth_grants (
  connection_id BLOB NOT NULL PRIMARY KEY,
  row           BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE oauth_clients (
  client_id BLOB    NOT NULL PRIMARY KEY,
  reap_at   INTEGER NOT NULL,
  row       BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_clients_by_end ON oauth_clients (reap_at, client_id);
