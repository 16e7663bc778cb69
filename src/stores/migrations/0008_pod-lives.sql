-- Up Migration

-- When each pod of a pool existed, and for which session, for the usage report (ADR 31). Claims and sessions are deleted
-- days after they end; a row of this table is kept for GREENROOM_USAGE_RETENTION_DAYS. Times are whole milliseconds, so
-- that sums are exact.
CREATE TABLE pod_lives (
  pod_uid             text           PRIMARY KEY,
  agent_type          text           NOT NULL,
  created_at          timestamptz(3) NOT NULL,
  ready_at            timestamptz(3),
  -- The pod's deletionTimestamp.
  deleting_at         timestamptz(3),
  gone_at             timestamptz(3) CHECK (gone_at >= created_at),
  -- The session that was ACTIVE on this pod, copied from pod_claims and sessions once both are over.
  session_id          uuid,
  project_id          text,
  claimed_at          timestamptz(3),
  released_at         timestamptz(3),
  -- By how much the two times may be wrong, ms; 0 where an event told of them as they happened.
  created_inexact_ms  integer        NOT NULL DEFAULT 0,
  gone_inexact_ms     integer        NOT NULL DEFAULT 0,
  -- True once the pod is gone and its session is copied. The row does not change any more.
  settled             boolean        NOT NULL DEFAULT false CHECK (NOT settled OR gone_at IS NOT NULL)
);
CREATE INDEX pod_lives_open ON pod_lives (pod_uid) WHERE gone_at IS NULL;
CREATE INDEX pod_lives_closing ON pod_lives (gone_at) WHERE gone_at IS NOT NULL AND NOT settled;
-- For windows of time and for the purge. Only rows that are settled are in it: an index of this kind never shrinks the
-- ranges of its inner pages, and rows without an end would make it useless. A range with both bounds is never empty.
CREATE INDEX pod_lives_span ON pod_lives USING gist (tstzrange(created_at, gone_at, '[]')) WHERE settled;

CREATE TABLE pod_life_notes (
  singleton      boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  -- Every pod that existed after this time is in pod_lives. The first leader of this version sets it; a purge moves it.
  complete_since timestamptz,
  -- When the leading controller last found the open rows equal to the pods that exist.
  looked_at      timestamptz
);
-- A new database has seen no pods: its migrations all run in one transaction, so all of them have the same time.
INSERT INTO pod_life_notes (complete_since)
  SELECT CASE WHEN EXISTS (SELECT FROM greenroom_migrations WHERE run_on < now()) THEN NULL ELSE '-infinity'::timestamptz END;
