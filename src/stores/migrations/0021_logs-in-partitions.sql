-- Up Migration

-- `session_events` and `audit_log` in partitions (ADR 50): what is old enough is dropped whole and leaves no dead rows.
--
-- A partition is named after the UTC day before which its rows are: session_events_20261207. `…_kept` takes what fits none
-- of them: what is moved there because it is needed for longer, and everything if nobody makes new partitions. All others
-- are made like it, with the same indexes.
--
-- Only the owner of the schema may make and drop tables. So the session server calls functions that have the owner's
-- rights, know these two logs, and delete nothing that is younger than a day.

-- The partitions that are named after a day. `first`: it has no lower bound, because it held everything when
-- this migration ran. A new database has no such partition.
CREATE FUNCTION log_partitions(log text) RETURNS TABLE (partition regclass, until timestamptz, first boolean)
LANGUAGE sql STABLE AS $$
  SELECT c.oid::regclass, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC',
    pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM (MINVALUE)%'
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = log::regclass AND c.relname ~ '_[0-9]{8}$'
$$;

-- The partitions that rows are deleted from, because they are not dropped with their day.
CREATE FUNCTION log_rests(log text) RETURNS SETOF regclass LANGUAGE sql STABLE AS $$
  SELECT (log || '_kept')::regclass UNION ALL SELECT partition FROM log_partitions(log) WHERE first
$$;

-- The time with which an id of version 7 begins.
CREATE FUNCTION time_of_id(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- A bound of a partition, as SQL.
CREATE FUNCTION log_bound(log text, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT quote_literal(CASE log WHEN 'audit_log' THEN first_id_at(at)::text ELSE at::text END)
$$;

-- Makes the partitions of `days` days each that begin within a week. Returns how many; 0 also if somebody holds the table for
-- long, because claims would have to wait behind this.
CREATE FUNCTION add_log_partitions(log text, days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '200ms' AS $$
DECLARE
  midnight constant timestamptz := date_trunc('day', now(), 'UTC');
  newest_kept timestamptz;
  begins timestamptz;
  ends timestamptz;
  name text;
  made integer := 0;
BEGIN
  IF log = 'audit_log' THEN
    SELECT time_of_id(id) INTO newest_kept FROM audit_log_kept ORDER BY id DESC LIMIT 1;
  ELSE
    SELECT max(at) INTO newest_kept FROM session_events_kept;
  END IF;
  -- Where the last one ends, but not over a row that is in `…_kept` because nobody made partitions in time.
  SELECT greatest(coalesce(max(until), midnight), date_trunc('day', newest_kept, 'UTC') + interval '1 day') INTO begins
  FROM log_partitions(log);
  WHILE begins < midnight + interval '7 days' LOOP
    ends := begins + greatest(days, 1) * interval '24 hours';
    name := log || to_char(ends AT TIME ZONE 'UTC', '_YYYYMMDD');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
      name, log || '_kept');
    -- Unlike CREATE TABLE … PARTITION OF, this lets claims go on.
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
      log, name, log_bound(log, begins), log_bound(log, ends));
    begins := ends;
    made := made + 1;
  END LOOP;
  RETURN made;
EXCEPTION WHEN lock_not_available THEN
  RETURN 0;
END $$;

-- Drops the oldest partition if all of its rows are older than this, and returns how many rows it had, about; null if there
-- is none to drop, or if somebody holds the table for long. Events of a session whose record is still there are moved to
-- `…_kept` before: the purge of sessions finds their claims by them. Should they be many, the partition waits.
CREATE FUNCTION drop_log_partition(log text, after interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '200ms' AS $$
DECLARE
  most_needed constant integer := 5000;
  -- By so much PostgreSQL's clock may have gone back, at a failover, between a session's record and its last event.
  clock_step constant interval := '1 minute';
  oldest record;
  needed bigint[];
  dropped bigint;
BEGIN
  SELECT * INTO oldest FROM log_partitions(log) ORDER BY until LIMIT 1;
  IF oldest.until IS NULL OR oldest.until > now() - greatest(after, interval '1 day') THEN RETURN NULL; END IF;
  IF log = 'session_events' THEN
    -- No event is older than the record of its session, and few records are older than what is dropped. OFFSET 0: each of
    -- them is looked up by the index, whatever the planner believes.
    EXECUTE format('SELECT array_agg(id) FROM (
      SELECT e.id FROM sessions s CROSS JOIN LATERAL (SELECT id FROM %s WHERE session_id = s.id OFFSET 0) e
      WHERE s.created_at < $1 LIMIT $2) AS found', oldest.partition)
      INTO needed USING oldest.until + clock_step, most_needed + 1;
    IF cardinality(needed) > most_needed THEN RETURN NULL; END IF;
  END IF;
  SELECT greatest(reltuples, 0)::bigint INTO dropped FROM pg_class WHERE oid = oldest.partition;
  EXECUTE format('ALTER TABLE %I DETACH PARTITION %s', log, oldest.partition);
  IF log = 'session_events' THEN
    EXECUTE format('INSERT INTO session_events OVERRIDING SYSTEM VALUE SELECT * FROM %s WHERE id = ANY ($1)',
      oldest.partition) USING needed;
    -- A follower that has seen less than this is told that it may have missed events.
    EXECUTE format('UPDATE event_numbers SET purged = highest
      FROM (SELECT max(number) AS highest FROM %s) AS d WHERE highest > purged', oldest.partition);
  END IF;
  EXECUTE format('DROP TABLE %s', oldest.partition);
  RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END $$;

-- Deletes the events of sessions whose records have just been deleted, where no partition takes them along. Returns how many.
CREATE FUNCTION forget_session_events(ids uuid[]) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  part regclass;
  found integer;
  highest bigint;
  forgotten integer := 0;
BEGIN
  FOR part IN SELECT log_rests('session_events') LOOP
    EXECUTE format('WITH deleted AS (
        DELETE FROM %s e WHERE session_id = ANY ($1)
          AND (SELECT true FROM sessions s WHERE s.id = e.session_id) IS NULL RETURNING number)
      SELECT count(*), max(number) FROM deleted', part) INTO found, highest USING ids;
    UPDATE event_numbers SET purged = highest WHERE highest > purged;
    forgotten := forgotten + found;
  END LOOP;
  RETURN forgotten;
END $$;

-- Deletes at most so many entries that are older than this, where no partition takes them along. Returns how many.
CREATE FUNCTION purge_audit_rests(after interval, most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  border constant timestamptz := now() - greatest(after, interval '1 day');
  part regclass;
  found integer;
  purged integer := 0;
BEGIN
  FOR part IN SELECT log_rests('audit_log') LOOP
    -- The ids are in the order of time, so the oldest are found without an index of times.
    EXECUTE format('WITH deleted AS (
        DELETE FROM %1$s WHERE id = ANY (ARRAY(SELECT id FROM %1$s ORDER BY id LIMIT $2)) AND at < $1 RETURNING 1)
      SELECT count(*) FROM deleted', part) INTO found USING border, most - purged;
    purged := purged + found;
  END LOOP;
  RETURN purged;
END $$;

-- As in 0012, and each event is found in its partition.
CREATE OR REPLACE FUNCTION number_session_events(most integer) RETURNS integer LANGUAGE plpgsql AS $$
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
    SELECT id, at, row_number() OVER (ORDER BY id) AS place
    FROM (
      SELECT id, at FROM session_events WHERE number IS NULL AND agent_type IS NOT NULL ORDER BY id LIMIT most) oldest
  ), given AS (
    UPDATE session_events e SET number = begun + fresh.place FROM fresh WHERE e.id = fresh.id AND e.at = fresh.at
    RETURNING e.number
  )
  SELECT max(number), count(*) INTO highest, numbered FROM given;
  IF numbered > 0 THEN UPDATE event_numbers SET last = highest; END IF;
  RETURN numbered;
END $$;

-- The tables themselves. The rows that are there are not copied: their table is attached as it is.
DO $$
DECLARE
  log text;
  before text;
  border timestamptz;
  last bigint;
  is_empty boolean;
  given record;
  callable regprocedure;
BEGIN
  FOREACH log IN ARRAY ARRAY['session_events', 'audit_log'] LOOP
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', log);
    -- As 0020 has set it. PostgreSQL believes a constraint that is validated, and reads no row.
    SELECT CASE log WHEN 'audit_log' THEN time_of_id(bound::uuid) ELSE bound::timestamptz END INTO STRICT border FROM (
      SELECT (regexp_match(pg_get_constraintdef(oid), '''([^'']*)'''))[1] AS bound FROM pg_constraint
      WHERE conname = log || '_border' AND conrelid = log::regclass AND convalidated OFFSET 0) AS noted;
    before := log || to_char(border AT TIME ZONE 'UTC', '_YYYYMMDD');
    EXECUTE format('ALTER TABLE %I RENAME TO %I', log, before);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (%I)',
      log, before, CASE log WHEN 'audit_log' THEN 'id' ELSE 'at' END);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', log, log || '_border');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
      log || '_kept', before);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', log || '_kept', log || '_border');
    -- Its time tells an event's partition, so an index of times finds nothing sooner. Every event had to pay for it.
    IF log = 'session_events' THEN DROP INDEX session_events_kept_at_idx; END IF;
    IF log = 'audit_log' THEN
      EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT audit_log_pkey TO %I', before, before || '_pkey');
      ALTER TABLE audit_log ADD PRIMARY KEY (id);
    ELSE
      -- PostgreSQL has no key over partitions that does not contain what they are made by. Each has its own, on `id` and
      -- on `number`; over all of them `id` is an identity, and numbers are given under one lock (ADR 36).
      EXECUTE format('SELECT nextval(pg_get_serial_sequence(%L, ''id''))', before) INTO last;
      EXECUTE format('ALTER TABLE %I ALTER COLUMN id DROP IDENTITY', before);
      EXECUTE format('ALTER TABLE session_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START WITH %s)', last);
    END IF;
    -- A session server is at work meanwhile, with a role of its own.
    FOR given IN
      SELECT a.grantee::regrole AS role, a.privilege_type AS privilege
      FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.oid = before::regclass AND a.grantee NOT IN (0, c.relowner)
    LOOP
      EXECUTE format('GRANT %s ON %I TO %s', given.privilege, log, given.role);
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', log, log || '_kept');
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', before) INTO is_empty;
    IF is_empty THEN
      EXECUTE format('DROP TABLE %I', before);
    ELSE
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)',
        log, before, log_bound(log, border));
      EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', before, log || '_border');
    END IF;
    PERFORM add_log_partitions(log, 1);
  END LOOP;
  FOREACH callable IN ARRAY ARRAY['add_log_partitions(text, integer)', 'drop_log_partition(text, interval)',
    'forget_session_events(uuid[])', 'purge_audit_rests(interval, integer)']::regprocedure[]
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', callable, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', callable);
  END LOOP;
END $$;
