-- Up Migration

ALTER TABLE sessions
  -- The agent was in its room for the first time: it said so, or LiveKit did.
  ADD COLUMN agent_joined_at timestamptz,
  -- The agent had not joined by then, and its type asks only to mark that.
  ADD COLUMN agent_overdue_at timestamptz,
  -- The first participant who is not an agent was seen in the room.
  ADD COLUMN participant_joined_at timestamptz,
  -- Which memory of LiveKit last showed a participant in this room (ADR 22). A LiveKit that has forgotten its rooms has
  -- another one, and then a missing room proves nothing.
  ADD COLUMN room_memory text,
  -- Why the agent finished, in its own words.
  ADD COLUMN end_detail text;

-- Another attempt has another agent. By trigger, so that no statement that begins one can forget it.
CREATE FUNCTION forget_room_of_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.agent_joined_at := NULL;
  NEW.agent_overdue_at := NULL;
  NEW.participant_joined_at := NULL;
  NEW.room_memory := NULL;
  NEW.end_detail := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER session_attempt_begins BEFORE UPDATE OF epoch ON sessions
  FOR EACH ROW WHEN (OLD.epoch <> NEW.epoch) EXECUTE FUNCTION forget_room_of_attempt();

-- What happened, where it is not a change of status.
ALTER TABLE session_events ADD COLUMN kind text NOT NULL DEFAULT 'status'
  CHECK (kind IN ('status', 'agent-joined', 'agent-overdue', 'participant-joined'));
CREATE FUNCTION note_session_room_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events (session_id, status, epoch, pod_uid, end_reason, kind)
  SELECT NEW.id, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason, happened.kind
  FROM (VALUES
    ('agent-joined', OLD.agent_joined_at, NEW.agent_joined_at),
    ('agent-overdue', OLD.agent_overdue_at, NEW.agent_overdue_at),
    ('participant-joined', OLD.participant_joined_at, NEW.participant_joined_at)) AS happened (kind, before, after)
  WHERE happened.before IS NULL AND happened.after IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER session_room_changed
  AFTER UPDATE OF agent_joined_at, agent_overdue_at, participant_joined_at ON sessions
  FOR EACH ROW EXECUTE FUNCTION note_session_room_event();
