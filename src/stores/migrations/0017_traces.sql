-- Up Migration

-- The trace of the open that a session came from (W3C `traceparent`); null without one. Whoever follows the session's
-- events goes on with it.
ALTER TABLE sessions ADD COLUMN traceparent text;
ALTER TABLE session_events ADD COLUMN traceparent text;

-- As in 0012, with the trace.
CREATE OR REPLACE FUNCTION note_session_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events (session_id, project_id, agent_type, status, epoch, pod_uid, end_reason, traceparent)
  VALUES (NEW.id, NEW.project_id, NEW.agent_type, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason, NEW.traceparent);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_session_room_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events
    (session_id, project_id, agent_type, status, epoch, pod_uid, end_reason, traceparent, kind)
  SELECT NEW.id, NEW.project_id, NEW.agent_type, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason, NEW.traceparent,
    happened.kind
  FROM (VALUES
    ('agent-joined', OLD.agent_joined_at, NEW.agent_joined_at),
    ('agent-overdue', OLD.agent_overdue_at, NEW.agent_overdue_at),
    ('participant-joined', OLD.participant_joined_at, NEW.participant_joined_at)) AS happened (kind, before, after)
  WHERE happened.before IS NULL AND happened.after IS NOT NULL;
  RETURN NULL;
END $$;
