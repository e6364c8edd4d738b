-- OAuth: which app has which resource, what clients ask for, what their secrets open, the OAuth part of
-- connections, clients that registered. `grant_key`: under which key the row of the connection stands
-- that an access token is for. `forget_at` of what goes with its connection is the end of time.

CREATE TABLE resources (
  uri    text     PRIMARY KEY,
  app_id uuid     NOT NULL,
  env    smallint NOT NULL
);

CREATE TABLE authorization_requests (
  request_id uuid   PRIMARY KEY,
  app_id     uuid   NOT NULL,
  kept_until bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE INDEX authorization_requests_by_end ON authorization_requests (kept_until);

CREATE TABLE oauth_secrets (
  token_key bigint PRIMARY KEY,
  app_id    uuid   NOT NULL,
  grant_key bigint,
  forget_at bigint NOT NULL,
  row       bytea  NOT NULL
);
CREATE INDEX oauth_secrets_by_end ON oauth_secrets (forget_at);

CREATE TABLE oauth_grants (
  connection_id uuid  PRIMARY KEY,
  row           bytea NOT NULL
);

CREATE TABLE oauth_clients (
  client_id uuid   PRIMARY KEY,
  reap_at   bigint NOT NULL,
  row       bytea  NOT NULL
);
CREATE INDEX oauth_clients_by_end ON oauth_clients (reap_at, client_id);
