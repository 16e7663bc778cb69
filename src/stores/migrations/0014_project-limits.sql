-- Up Migration

-- What a project may have at most. A limit that is null is none.
CREATE TABLE project_limits (
  project_id       text        PRIMARY KEY,
  max_sessions     integer     CHECK (max_sessions >= 0),
  opens_per_minute integer     CHECK (opens_per_minute >= 1),
  max_waiting      integer     CHECK (max_waiting >= 0),
  changed_at       timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(max_sessions, opens_per_minute, max_waiting) > 0)
);

-- How many sessions that are not ENDED each project has, of projects that have max_sessions and of no others. A claim
-- changes the row in its own transaction, and the CHECK has the last word.
CREATE TABLE project_usage (
  project_id text    PRIMARY KEY,
  live       integer NOT NULL CHECK (live >= 0),
  -- As project_limits has it.
  most       integer NOT NULL,
  -- The same, or while there are more sessions than a lowered limit allows, as many as there are: it only falls.
  ceiling    integer NOT NULL,
  CONSTRAINT project_usage_ceiling CHECK (live <= ceiling)
) WITH (fillfactor = 10);

-- By trigger, so that no statement can forget it. Each statement that opens or ends sessions has locked the rows of
-- their projects before anything else, in the order of project ids, so that no two wait in a circle.
CREATE FUNCTION count_opened_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE project_usage u SET live = u.live + added.sessions
  FROM (SELECT project_id, count(*)::integer AS sessions FROM opened WHERE status <> 'ENDED' GROUP BY project_id) AS added
  WHERE u.project_id = added.project_id;
  RETURN NULL;
END $$;
CREATE TRIGGER sessions_counted AFTER INSERT ON sessions
  REFERENCING NEW TABLE AS opened FOR EACH STATEMENT EXECUTE FUNCTION count_opened_sessions();

-- An end never fails for its count, whatever the count is.
CREATE FUNCTION count_changed_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status = 'ENDED' THEN
    UPDATE project_usage SET live = greatest(live - 1, 0), ceiling = greatest(most, live - 1)
    WHERE project_id = OLD.project_id;
  ELSE
    UPDATE project_usage SET live = live + 1 WHERE project_id = NEW.project_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER session_counted AFTER UPDATE OF status ON sessions FOR EACH ROW
  WHEN (OLD.project_id IS NOT NULL AND (OLD.status = 'ENDED') <> (NEW.status = 'ENDED'))
  EXECUTE FUNCTION count_changed_session();
