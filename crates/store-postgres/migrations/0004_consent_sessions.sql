-- Sessions of the hosted consent page. `open_until`: until when a decision may come; NULL once there
-- is one. `kept_until`: when the row may go.

CREATE TABLE consent_sessions (
  session_id uuid     PRIMARY KEY,
  app_id     uuid     NOT NULL,
  env        smallint NOT NULL,
  user_id    text     COLLATE "C" NOT NULL,
  open_until bigint,
  kept_until bigint   NOT NULL,
  row        bytea    NOT NULL
);
CREATE INDEX consent_sessions_by_user ON consent_sessions (app_id, env, user_id, open_until, session_id)
  WHERE open_until IS NOT NULL;
CREATE INDEX consent_sessions_by_end ON consent_sessions (kept_until);
