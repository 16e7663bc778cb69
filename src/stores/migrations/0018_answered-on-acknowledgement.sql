-- Up Migration

ALTER TABLE sessions
  -- The open that claimed the pod of this epoch, if it may answer its caller as soon as the pod has acknowledged, before
  -- the row is ACTIVE (ADR 45). Null: nobody is told anything of a PENDING row.
  ADD COLUMN opener uuid,
  -- When the pod of this epoch was claimed. Null: an older version claimed it, or there is none.
  ADD COLUMN claimed_at timestamptz,
  -- When the activation was written. `active_at` is what callers are told, and they may be told before: it is `claimed_at`.
  ADD COLUMN activated_at timestamptz;

-- What may have been told and is not ACTIVE yet: each replica looks for those that were left behind, every second.
CREATE INDEX sessions_unsettled ON sessions (claimed_at) WHERE status = 'PENDING' AND opener IS NOT NULL;

-- As in 0017. A session that ends before its activation was written was ACTIVE for its caller, and so it was for whoever
-- follows its events.
CREATE OR REPLACE FUNCTION note_session_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.status = 'PENDING' AND NEW.status <> 'ACTIVE' AND OLD.active_at IS NULL AND NEW.active_at IS NOT NULL THEN
      INSERT INTO session_events (session_id, project_id, agent_type, status, epoch, pod_uid, traceparent)
      VALUES (NEW.id, NEW.project_id, NEW.agent_type, 'ACTIVE', NEW.epoch, NEW.pod_uid, NEW.traceparent);
    END IF;
  END IF;
  INSERT INTO session_events (session_id, project_id, agent_type, status, epoch, pod_uid, end_reason, traceparent)
  VALUES (NEW.id, NEW.project_id, NEW.agent_type, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason, NEW.traceparent);
  RETURN NULL;
END $$;
