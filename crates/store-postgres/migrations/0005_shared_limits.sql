-- Limits that several writers share. What each lane keeps for itself of a plan's limit, in the month that
-- begins on day `month`; and the nodes that let calls through, each with its share of every rate.

CREATE TABLE plan_leases (
  app_id uuid     NOT NULL,
  env    smallint NOT NULL,
  lane   integer  NOT NULL,
  month  integer  NOT NULL,
  calls  bigint   NOT NULL CHECK (calls >= 0),
  PRIMARY KEY (app_id, env, lane)
) WITH (fillfactor = 50);

CREATE TABLE nodes (
  node    bigint PRIMARY KEY,
  seen_at bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
