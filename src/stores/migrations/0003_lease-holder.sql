-- Up Migration

-- Whose renewals extend the lease, as the pool had it when the session was opened. Sessions of older versions, and those
-- that an older version still opens, were promised that both do.
ALTER TABLE sessions
  ADD COLUMN lease_held_by text NOT NULL DEFAULT 'both' CHECK (lease_held_by IN ('caller', 'agent', 'both'));
