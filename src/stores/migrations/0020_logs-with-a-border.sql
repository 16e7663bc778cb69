-- Up Migration

-- The next migration makes `session_events` and `audit_log` partitioned by time (ADR 50), and the rows that are there
-- become the first partition of each. PostgreSQL must know that all of them are older than the next partition. It reads the
-- whole table to find that out, and for a constraint it does so while claims go on: `migrate` has these two validated
-- before the next migration. That one must follow within a week, or they refuse new rows.

-- The lowest id of version 7 at a time: such an id begins with its time, in milliseconds.
CREATE FUNCTION first_id_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

DO $$
DECLARE
  border constant timestamptz := date_trunc('day', now(), 'UTC') + interval '7 days';
BEGIN
  EXECUTE format('ALTER TABLE session_events ADD CONSTRAINT session_events_border CHECK (at < %L) NOT VALID', border);
  EXECUTE format('ALTER TABLE audit_log ADD CONSTRAINT audit_log_border CHECK (id < %L) NOT VALID', first_id_at(border));
END $$;

-- Tables whose rows are changed or deleted as fast as they come. By default autovacuum waits until a fifth of a table is dead.
ALTER TABLE sessions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE pod_claims SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE pool_pods SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE pod_lives SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
