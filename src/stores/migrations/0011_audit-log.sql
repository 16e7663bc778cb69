-- Up Migration

-- Which credential did what. Rows are written and read, never changed, and purged by age.
CREATE TABLE audit_log (
  -- Version 7, made where the thing was done: it is in order of time, and a row that is sent twice is there once.
  id         uuid        PRIMARY KEY,
  -- By the clock of the session server.
  at         timestamptz NOT NULL,
  actor_kind text        NOT NULL,
  actor_id   text        NOT NULL,
  -- Whose session or key it was; null where it concerns every project.
  project_id text,
  action     text        NOT NULL,
  -- The session, the key or the pool.
  subject    text        NOT NULL
);
CREATE INDEX audit_log_of_project ON audit_log (project_id, id DESC) WHERE project_id IS NOT NULL;
