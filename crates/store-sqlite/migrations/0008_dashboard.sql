-- Signing in to the dashboard: one-time codes that wait, sessions, and what happened once.
-- `account` is empty for operators. `ends_at`: when the session is over if it is used no more.

CREATE TABLE waiting_codes (
  handle     INTEGER NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT;
CREATE INDEX waiting_codes_by_end ON waiting_codes (expires_at, handle);

CREATE TABLE dashboard_sessions (
  session_id BLOB    NOT NULL PRIMARY KEY,
  token_key  INTEGER NOT NULL,
  account    BLOB    NOT NULL,
  ends_at    INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dashboard_sessions_by_token ON dashboard_sessions (token_key);
CREATE INDEX dashboard_sessions_by_account ON dashboard_sessions (account, session_id);
CREATE INDEX dashboard_sessions_by_end ON dashboard_sessions (ends_at);

CREATE TABLE milestones (
  milestone INTEGER NOT NULL PRIMARY KEY,
  at        INTEGER NOT NULL
) STRICT;
