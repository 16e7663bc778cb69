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
