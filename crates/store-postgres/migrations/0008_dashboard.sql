-- Signing in to the dashboard: one-time codes that wait, sessions, and what happened once.
-- `account` is the nil UUID for operators. `ends_at`: when the session is over if it is used no more.

CREATE TABLE waiting_codes (
  handle     bigint PRIMARY KEY,
  expires_at bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE INDEX waiting_codes_by_end ON waiting_codes (expires_at, handle);

CREATE TABLE dashboard_sessions (
  session_id uuid   PRIMARY KEY,
  token_key  bigint NOT NULL,
  account    uuid   NOT NULL,
  ends_at    bigint NOT NULL,
  row        bytea  NOT NULL
);
CREATE UNIQUE INDEX dashboard_sessions_by_token ON dashboard_sessions (token_key);
CREATE INDEX dashboard_sessions_by_account ON dashboard_sessions (account, session_id);
CREATE INDEX dashboard_sessions_by_end ON dashboard_sessions (ends_at);

CREATE TABLE milestones (
  milestone smallint PRIMARY KEY,
  at        bigint   NOT NULL
);
