-- What the blanking guard holds. stream_kind.held is 0 for nothing, 1 for the sweep, 2 for the sweep and for rows that
-- would empty filled fields, 3 when a person let those pass until the next snapshot has ended.
-- +goose Up
ALTER TABLE stream_kind ADD COLUMN blanked BIGINT NOT NULL DEFAULT 0; -- rows of the snapshot that emptied a filled field, or would have
