-- Up Migration

-- A project lists its own sessions, newest first, without reading everybody's.
CREATE INDEX sessions_newest_of_project ON sessions (project_id, created_at DESC, id DESC) WHERE project_id IS NOT NULL;
