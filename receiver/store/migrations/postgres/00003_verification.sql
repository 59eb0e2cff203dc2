-- The outcome of the last verification of each record kind, for operations. Instants are unix milliseconds.
-- +goose Up
CREATE TABLE verification (
    tenant_id   BIGINT NOT NULL,
    stream_id   BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    verified_at BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    row_count   BIGINT NOT NULL,
    differences BIGINT NOT NULL,
    at_least    SMALLINT NOT NULL,
    mended      SMALLINT NOT NULL,
    unreadable  BIGINT NOT NULL,
    error       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, kind),
    FOREIGN KEY (tenant_id, stream_id, kind) REFERENCES stream_kind (tenant_id, stream_id, kind)
);
