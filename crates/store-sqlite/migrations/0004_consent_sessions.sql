-- Sessions of the hosted consent page. `open_until`: until when a decision may come; NULL once there
-- is one. `kept_until`: when the row may go.

CREATE TABLE consent_sessions (
  session_id BLOB    NOT NULL PRIMARY KEY,
  tenant     BLOB    NOT NULL,
  user_id    TEXT    NOT NULL,
  open_until INTEGER,
  kept_until INTEGER NOT NULL,
  row        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_sessions_by_user ON consent_sessions (tenant, user_id, open_until, session_id)
  WHERE open_until IS NOT NULL;
CREATE INDEX consent_sessions_by_end ON consent_sessions (kept_until);
