-- Up Migration

-- A cold open is a PENDING session that waits for its pod. Some replica sees to it; when that one dies, another does.
ALTER TABLE sessions
  ALTER COLUMN pod_uid DROP NOT NULL,
  ALTER COLUMN pod_name DROP NOT NULL,
  ALTER COLUMN pod_ip DROP NOT NULL,
  ADD COLUMN held_by text,
  ADD COLUMN held_until timestamptz,
  -- False when the request brought secrets: they are stored nowhere, so no other replica could deliver them.
  ADD COLUMN adoptable boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT sessions_pod_whole CHECK (
    (pod_uid IS NULL) = (pod_name IS NULL) AND (pod_uid IS NULL) = (pod_ip IS NULL)),
  ADD CONSTRAINT sessions_active_on_pod CHECK (status <> 'ACTIVE' OR pod_uid IS NOT NULL);
CREATE INDEX sessions_held ON sessions (held_until) WHERE status = 'PENDING' AND held_by IS NOT NULL;
CREATE INDEX sessions_cold ON sessions (agent_type) WHERE status = 'PENDING' AND pod_uid IS NULL;

-- Whether renewals can be taken: every API replica notes the time each second. What lapsed in a gap gets a full lease.
CREATE TABLE renewal_service (
  singleton    boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  alive_at     timestamptz NOT NULL DEFAULT '-infinity',
  gap_ended_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO renewal_service DEFAULT VALUES;

-- When the pod of a claim was first found missing: a claim is kept until a day after that.
ALTER TABLE pod_claims ADD COLUMN gone_at timestamptz;
CREATE INDEX pod_claims_present ON pod_claims (at) WHERE gone_at IS NULL;
CREATE INDEX pod_claims_gone ON pod_claims (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE status = 'ENDED';

-- What became of each session, in order. `xid` tells a reader which numbers may still be followed by lower ones.
CREATE TABLE session_events (
  id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
  at         timestamptz NOT NULL DEFAULT now(),
  session_id uuid        NOT NULL,
  status     text        NOT NULL,
  epoch      integer     NOT NULL,
  pod_uid    text,
  end_reason text
);
CREATE INDEX session_events_of_session ON session_events (session_id, id);
CREATE INDEX session_events_at ON session_events (at);

-- By trigger, so that no statement can forget it. Renewals set neither column and pay nothing.
CREATE FUNCTION note_session_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_events (session_id, status, epoch, pod_uid, end_reason)
  VALUES (NEW.id, NEW.status, NEW.epoch, NEW.pod_uid, NEW.end_reason);
  RETURN NULL;
END $$;
CREATE TRIGGER session_opened AFTER INSERT ON sessions
  FOR EACH ROW EXECUTE FUNCTION note_session_event();
CREATE TRIGGER session_changed AFTER UPDATE OF status, epoch ON sessions
  FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.epoch <> NEW.epoch) EXECUTE FUNCTION note_session_event();
