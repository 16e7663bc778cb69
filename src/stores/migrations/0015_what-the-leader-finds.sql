-- Up Migration

-- What only the leading controller knows, for the status that every replica tells. One row, written every few seconds.
CREATE TABLE leader_report (
  singleton boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  leader    text        NOT NULL,
  findings  jsonb       NOT NULL,
  at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

-- One point a pool and minute, of the last day. The leader adds the points of all pools at once and deletes what is older.
CREATE TABLE pool_history (
  agent_type text        NOT NULL,
  at         timestamptz NOT NULL,
  idle       integer     NOT NULL,
  claimed    integer     NOT NULL,
  -- Null: Redis was away.
  waiting    integer,
  -- Sessions of that minute, and those of them that did not wait for their pod.
  opened     integer     NOT NULL,
  warm       integer     NOT NULL,
  PRIMARY KEY (agent_type, at)
);
CREATE INDEX pool_history_at ON pool_history (at);
