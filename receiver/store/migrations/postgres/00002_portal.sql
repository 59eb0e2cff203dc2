-- Who signs in at the portal, and what employees report. Instants are unix milliseconds.
-- +goose Up
CREATE TABLE user_account (
    user_id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username      TEXT     NOT NULL,
    folded        TEXT     NOT NULL UNIQUE,
    name          TEXT     NOT NULL,
    role          TEXT     NOT NULL,
    tenant_id     BIGINT   NOT NULL DEFAULT 0,
    stream_id     BIGINT   NOT NULL DEFAULT 0,
    employee_no   TEXT     NOT NULL DEFAULT '',
    language      TEXT     NOT NULL DEFAULT '',
    password_hash TEXT     NOT NULL,
    disabled      SMALLINT NOT NULL DEFAULT 0,
    created_at    BIGINT   NOT NULL
);

CREATE TABLE session (
    token      TEXT   PRIMARY KEY,
    data       BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE remembered_username (
    handle     TEXT   PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE sign_in_attempt (
    attempt_key TEXT   PRIMARY KEY,
    attempts    BIGINT NOT NULL,
    before_at   BIGINT NOT NULL,
    last_at     BIGINT NOT NULL
);

CREATE TABLE report (
    tenant_id      BIGINT   NOT NULL,
    report_id      TEXT     NOT NULL,
    stream_id      BIGINT   NOT NULL,
    user_id        BIGINT   NOT NULL,
    employee_no    TEXT     NOT NULL,
    type           TEXT     NOT NULL,
    fields         TEXT     NOT NULL,
    state          TEXT     NOT NULL,
    reason         TEXT     NOT NULL DEFAULT '',
    submission_key TEXT     NOT NULL,
    submitted_at   BIGINT   NOT NULL,
    ack_lineage    TEXT     NOT NULL DEFAULT '',
    ack_position   BIGINT   NOT NULL DEFAULT 0,
    settled        SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, report_id),
    UNIQUE (tenant_id, user_id, submission_key)
);
CREATE INDEX report_by_employee ON report (tenant_id, stream_id, employee_no, report_id);
-- Every check-in of every agent asks for what waits: only unsettled reports are looked at.
CREATE INDEX report_waiting ON report (tenant_id, stream_id, ack_lineage, report_id) WHERE settled = 0;

CREATE TABLE report_step (
    tenant_id BIGINT NOT NULL,
    report_id TEXT   NOT NULL,
    step_no   BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    event     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    note      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, report_id, step_no)
);

CREATE TABLE report_draft (
    tenant_id  BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    draft_key  TEXT   NOT NULL,
    type       TEXT   NOT NULL,
    form       TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, draft_key)
);
