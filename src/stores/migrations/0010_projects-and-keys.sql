-- Up Migration

-- A project lists its own sessions, newest first, without reading everybody's.
CREATE INDEX sessions_newest_of_project ON sessions (project_id, created_at DESC, id DESC) WHERE project_id IS NOT NULL;

CREATE TABLE api_keys (
  id                text        PRIMARY KEY,
  name              text        NOT NULL,
  -- Null: good for every project.
  project_id        text,
  scopes            text[]      NOT NULL CHECK (cardinality(scopes) > 0),
  -- The secret has 256 random bits, so a plain fast hash is enough. It is stored nowhere else.
  secret_sha256     bytea       NOT NULL CHECK (octet_length(secret_sha256) = 32),
  -- The secret before a rotation, and until when it is taken as well.
  old_secret_sha256 bytea       CHECK (octet_length(old_secret_sha256) = 32),
  old_secret_until  timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now(),
  -- Which credential made it.
  created_by        text        NOT NULL,
  rotated_at        timestamptz,
  revoked_at        timestamptz,
  -- Of api_key_revision, when this row was changed last.
  revision          bigint      NOT NULL,
  CHECK ((old_secret_sha256 IS NULL) = (old_secret_until IS NULL))
);
CREATE INDEX api_keys_revision ON api_keys (revision);
CREATE INDEX api_keys_of_project ON api_keys (project_id, id);

-- Every change of a key takes the next number and holds this row until it is committed. So a replica that has read number
-- N has seen every change up to N, and asks for what is above it: no change is passed over, and none is read twice.
CREATE TABLE api_key_revision (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  revision  bigint  NOT NULL DEFAULT 0
);
INSERT INTO api_key_revision DEFAULT VALUES;
