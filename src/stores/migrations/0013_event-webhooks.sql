-- Up Migration

-- Where projects want their events sent. The secret that signs them is derived from GREENROOM_HMAC_SECRET and the id, so no
-- secret is stored.
CREATE TABLE event_webhooks (
  id            uuid        PRIMARY KEY,
  -- Its events only; null: those of all projects, and of pools.
  project_id    text,
  url           text        NOT NULL,
  -- Null: all types.
  types         text[],
  -- Everything up to this number is delivered, or not for this webhook.
  position      bigint      NOT NULL,
  disabled_for  text,
  failures      integer     NOT NULL DEFAULT 0,
  failing_since timestamptz,
  last_error    text,
  next_try_at   timestamptz NOT NULL DEFAULT now(),
  created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_webhooks_due ON event_webhooks (next_try_at) WHERE disabled_for IS NULL;
CREATE INDEX event_webhooks_of_project ON event_webhooks (project_id, created_at);
