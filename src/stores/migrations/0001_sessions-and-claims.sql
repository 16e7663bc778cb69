-- Up Migration

-- Which session holds which pod, and which pods are retired. A pod UID has one row, ever: the primary key is the
-- arbiter of every claim.
CREATE TABLE pod_claims (
  pod_uid    text        PRIMARY KEY,
  purpose    text        NOT NULL CHECK (purpose IN ('session', 'retired')),
  session_id uuid,
  epoch      integer,
  reason     text,
  at         timestamptz NOT NULL DEFAULT now(),
  CHECK (purpose = 'retired' OR (session_id IS NOT NULL AND epoch IS NOT NULL))
);

CREATE TABLE sessions (
  id               uuid        PRIMARY KEY,
  status           text        NOT NULL CHECK (status IN ('PENDING', 'ACTIVE', 'ENDING', 'ENDED')),
  end_reason       text        CHECK ((end_reason IS NOT NULL) = (status IN ('ENDING', 'ENDED'))),
  agent_type       text        NOT NULL,
  project_id       text,
  room_name        text        NOT NULL,
  room             text        NOT NULL,
  participant      jsonb,
  metadata         jsonb,
  fingerprint      text,
  epoch            integer     NOT NULL CHECK (epoch >= 1),
  pod_uid          text        NOT NULL,
  pod_name         text        NOT NULL,
  pod_ip           text        NOT NULL,
  warm             boolean     NOT NULL,
  lease_ms         integer     NOT NULL CHECK (lease_ms > 0),
  lease_expires_at timestamptz NOT NULL,
  -- No renewal reaches beyond this.
  max_ends_at      timestamptz NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  active_at        timestamptz,
  ending_at        timestamptz,
  ended_at         timestamptz
);

-- At most one live session a pod: what pod_claims says, said once more where the sessions are.
CREATE UNIQUE INDEX sessions_live_pod ON sessions (pod_uid) WHERE status IN ('PENDING', 'ACTIVE', 'ENDING');
-- The reaper looks at live leases only, the session reconciler at ending ones only; both stay small.
CREATE INDEX sessions_live_lease ON sessions (lease_expires_at) WHERE status IN ('PENDING', 'ACTIVE');
CREATE INDEX sessions_ending ON sessions (ending_at) WHERE status = 'ENDING';
-- Lists are newest first.
CREATE INDEX sessions_newest ON sessions (created_at DESC, id DESC);
CREATE INDEX sessions_newest_of_type ON sessions (agent_type, created_at DESC, id DESC);
