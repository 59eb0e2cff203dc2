-- The outcome of the last verification of each record kind, for operations. Instants are unix milliseconds.
-- +goose Up
CREATE TABLE verification (
    tenant_id   INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    verified_at INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    differences INTEGER NOT NULL,
    at_least    INTEGER NOT NULL,
    mended      INTEGER NOT NULL,
    unreadable  INTEGER NOT NULL,
    error       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, kind),
    FOREIGN KEY (tenant_id, stream_id, kind) REFERENCES stream_kind (tenant_id, stream_id, kind)
);
