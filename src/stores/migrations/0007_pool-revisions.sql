-- Up Migration

-- What the pods of each pool are and were made from. The controller notes a revision when the document, the policy's row or
-- the newest signing key changes, and what became of it; so a roll-out goes on where it was when another controller leads.
CREATE TABLE pool_revisions (
  agent_type    text        NOT NULL,
  revision      text        NOT NULL,
  template_hash text        NOT NULL,
  -- The template itself, so that a roll-out can be undone after the document has lost it.
  shape         jsonb       NOT NULL,
  policy_digest text,
  assign_key_id text,
  first_seen    timestamptz NOT NULL DEFAULT now(),
  -- The latest of a type is current.
  current_since timestamptz NOT NULL DEFAULT now(),
  verdict       text        NOT NULL DEFAULT 'trial' CHECK (verdict IN ('trial', 'good', 'failed')),
  reason        text,
  -- UIDs of canary pods that served a session. At most rollout.canary.pods of them matter.
  served        text[]      NOT NULL DEFAULT '{}',
  PRIMARY KEY (agent_type, revision)
);

-- What people ordered by the API; the controller reads it.
CREATE TABLE pool_rollouts (
  agent_type  text        PRIMARY KEY,
  paused      boolean     NOT NULL DEFAULT false,
  -- While the document has this template, pods are made from the pinned one.
  undone_hash text,
  pinned_hash text,
  ordered_at  timestamptz NOT NULL DEFAULT now()
);
