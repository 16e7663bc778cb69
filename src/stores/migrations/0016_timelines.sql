-- Up Migration

-- How long each step of an open took, ms, as the replica measured it: written with the activation, which is written anyway.
-- `activate_ms` is from the pod's acknowledgement until the statement that activates began. Null: an older version opened it.
ALTER TABLE sessions
  ADD COLUMN wait_ms real,
  ADD COLUMN reserve_ms real,
  ADD COLUMN commit_ms real,
  ADD COLUMN deliver_ms real,
  ADD COLUMN activate_ms real,
  -- Renewals that extended the lease, and the last of them; several at the same moment are one.
  ADD COLUMN renewals integer NOT NULL DEFAULT 0,
  ADD COLUMN renewed_at timestamptz;

-- What a change was, in the audit log: "min 2 → min 5".
ALTER TABLE audit_log ADD COLUMN detail text;
