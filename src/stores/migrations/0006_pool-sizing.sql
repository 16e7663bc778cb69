-- Up Migration

-- What the sizing of each pool remembers, for the next leader. `json` and not `jsonb`: the text stays as it was written,
-- the order of keys included, so that a new leader computes exactly what the old one would have.
CREATE TABLE pool_sizing (
  agent_type text PRIMARY KEY,
  -- By the leader's clock. An older leader never overwrites what a newer one has kept.
  decided_at timestamptz NOT NULL,
  kept       json NOT NULL,
  saved_at   timestamptz NOT NULL DEFAULT now()
);

-- Why each pool had the size that it had. Bounded: see SizingLedger.purge.
CREATE TABLE pool_decisions (
  seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  agent_type text NOT NULL,
  -- One time of leading. The decisions of one run follow each other by step.
  run        text NOT NULL,
  step       integer NOT NULL,
  decided_at timestamptz NOT NULL,
  -- Rule and state from which a replay can begin; null for a step that follows from the one before.
  base       json,
  bounds     json NOT NULL,
  input      json NOT NULL,
  target     integer NOT NULL,
  terms      json NOT NULL
);
CREATE INDEX pool_decisions_of_type ON pool_decisions (agent_type, seq);
