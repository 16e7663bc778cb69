-- Up Migration

-- Which assign keys each process of the session server can sign with. An old public key stays in the set that new pods
-- get while a process here cannot sign with the newest (ADR 32). Each process notes itself and takes its note back when it
-- stops; one that died has no say once its note is old.
CREATE TABLE signing_processes (
  instance text        PRIMARY KEY,
  key_ids  text[]      NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now()
);
