-- The last trouble on an agent's way to the receiver, which the agent itself forgets when it restarts: JSON, '' for none,
-- and when it was over or was last told. Instants are unix milliseconds.
-- +goose Up
ALTER TABLE agent ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN trouble_at INTEGER NOT NULL DEFAULT 0;
