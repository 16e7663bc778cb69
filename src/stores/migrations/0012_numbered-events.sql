-- Up Migration

-- The numbers of events (ADR 36). Whoever gives numbers holds this row until its transaction is over, so numbers become
-- visible in their order and a reader that has seen one has seen all that are lower.
CREATE TABLE event_numbers (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- The highest number given.
  last      bigint  NOT NULL DEFAULT 0,
  -- The highest number of an event that was deleted: whoever has seen less than this may have missed some.
  purged    bigint  NOT NULL DEFAULT 0
);
INSERT INTO event_numbers DEFAULT VALUES;

ALTER TABLE session_events
  -- Given after the event is committed; the order in which followers see events.
  ADD COLUMN number     bigint,
  ADD COLUMN project_id text,
  ADD COLUMN agent_type text;
-- Events of older versions have no agent type. They get no number: to fill them in would keep claims waiting for the table.
CREATE INDEX session_events_unnumbered ON session_events (id) WHERE number IS NULL AND agent_type IS NOT NULL;
CREATE UNIQUE INDEX session_events_number ON session_events (number) WHERE number IS NOT NULL;

-- What happened to other things than sessions. Numbered as it is written.
CREATE TABLE platform_events (
  number     bigint      PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT now(),
  type       text        NOT NULL,
  -- Undefined for what concerns the whole installation.
  project_id text,
  agent_type text,
  detail     jsonb       NOT NULL,
  -- Two events with the same mark are one: several leaders may notice the same thing.
  mark       text        UNIQUE
);
CREATE INDEX platform_events_at ON platform_events (at);

CREATE OR REPLACE FUNCTION note_session_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events (session_id, project_id, agent_type, status, epoch, pod_uid, end_reason)
  VALUES (NEW.id, NEW.project_id, NEW.agent_type, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_session_room_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events (session_id, project_id, agent_type, status, epoch, pod_uid, end_reason, kind)
  SELECT NEW.id, NEW.project_id, NEW.agent_type, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason, happened.kind
  FROM (VALUES
    ('agent-joined', OLD.agent_joined_at, NEW.agent_joined_at),
    ('agent-overdue', OLD.agent_overdue_at, NEW.agent_overdue_at),
    ('participant-joined', OLD.participant_joined_at, NEW.participant_joined_at)) AS happened (kind, before, after)
  WHERE happened.before IS NULL AND happened.after IS NOT NULL;
  RETURN NULL;
END $$;

-- Numbers at most `most` events that have none. Returns how many; -1 if another transaction gives numbers just now.
-- `id` follows the order of one session's changes, because each change takes it while it holds the session's row.
CREATE FUNCTION number_session_events(most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  begun bigint;
  highest bigint;
  numbered integer;
BEGIN
  -- Mostly there is nothing to do, and then nothing is written.
  PERFORM FROM session_events WHERE number IS NULL AND agent_type IS NOT NULL LIMIT 1;
  IF NOT FOUND THEN RETURN 0; END IF;
  SELECT last INTO begun FROM event_numbers FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN -1; END IF;
  -- With a snapshot of its own: everything that was committed before the row above was locked is seen.
  WITH fresh AS (
    SELECT id, row_number() OVER (ORDER BY id) AS place
    FROM (
      SELECT id FROM session_events WHERE number IS NULL AND agent_type IS NOT NULL ORDER BY id LIMIT most) oldest
  ), given AS (
    UPDATE session_events e SET number = begun + fresh.place FROM fresh WHERE e.id = fresh.id RETURNING e.number
  )
  SELECT max(number), count(*) INTO highest, numbered FROM given;
  IF numbered > 0 THEN UPDATE event_numbers SET last = highest; END IF;
  RETURN numbered;
END $$;
