-- Up Migration

-- The pods that the controller created, each noted from the API server's answer to its own create. A session can claim
-- no other pod, whatever labels a pod has and whatever Redis proposes.
CREATE TABLE pool_pods (
  pod_uid       text        PRIMARY KEY,
  agent_type    text        NOT NULL,
  -- Of the template it was made from. Another one in force means drift.
  template_hash text        NOT NULL,
  -- SHA-256 of what runs in the pod, as the create was answered. Another value later means that somebody changed it.
  spec_digest   text        NOT NULL,
  noted_at      timestamptz NOT NULL DEFAULT now(),
  -- As in pod_claims: the row is kept until a day after the pod was found missing.
  gone_at       timestamptz
);
CREATE INDEX pool_pods_present ON pool_pods (noted_at) WHERE gone_at IS NULL;
CREATE INDEX pool_pods_gone ON pool_pods (gone_at) WHERE gone_at IS NOT NULL;

-- Since when every pod of a pool is noted; until then a claim does not ask. A controller of this version sets the time
-- when it leads for the first time and has noted the pods that older versions made. A new database has no such pods: its
-- migrations all run in one transaction, so all of them have the same time.
CREATE TABLE pool_pod_notes (
  singleton      boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  complete_since timestamptz
);
INSERT INTO pool_pod_notes (complete_since)
  SELECT CASE WHEN EXISTS (SELECT FROM greenroom_migrations WHERE run_on < now()) THEN NULL ELSE now() END;
