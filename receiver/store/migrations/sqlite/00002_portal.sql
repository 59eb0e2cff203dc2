-- Who signs in at the portal, and what employees report. Instants are unix milliseconds.
-- +goose Up
CREATE TABLE user_account (
    user_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT     NOT NULL,
    folded        TEXT     NOT NULL UNIQUE,
    name          TEXT     NOT NULL,
    role          TEXT     NOT NULL,
    tenant_id     INTEGER NOT NULL DEFAULT 0,
    stream_id     INTEGER NOT NULL DEFAULT 0,
    employee_no   TEXT     NOT NULL DEFAULT '',
    language      TEXT     NOT NULL DEFAULT '',
    password_hash TEXT     NOT NULL,
    disabled      INTEGER  NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL
);

CREATE TABLE session (
    token      TEXT   PRIMARY KEY,
    data       BLOB   NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE remembered_username (
    handle     TEXT   PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE sign_in_attempt (
    attempt_key TEXT   PRIMARY KEY,
    attempts    INTEGER NOT NULL,
    before_at   INTEGER NOT NULL,
    last_at     INTEGER NOT NULL
);

CREATE TABLE report (
    tenant_id      INTEGER NOT NULL,
    report_id      TEXT     NOT NULL,
    stream_id      INTEGER NOT NULL,
    user_id        INTEGER NOT NULL,
    employee_no    TEXT     NOT NULL,
    type           TEXT     NOT NULL,
    fields         TEXT     NOT NULL,
    state          TEXT     NOT NULL,
    reason         TEXT     NOT NULL DEFAULT '',
    submission_key TEXT     NOT NULL,
    submitted_at   INTEGER NOT NULL,
    ack_lineage    TEXT     NOT NULL DEFAULT '',
    ack_position   INTEGER NOT NULL DEFAULT 0,
    settled        INTEGER  NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, report_id),
    UNIQUE (tenant_id, user_id, submission_key)
);
CREATE INDEX report_by_employee ON report (tenant_id, stream_id, employee_no, report_id);
-- Every check-in of every agent asks for what waits: only unsettled reports are looked at.
CREATE INDEX report_waiting ON report (tenant_id, stream_id, ack_lineage, report_id) WHERE settled = 0;

CREATE TABLE report_step (
    tenant_id INTEGER NOT NULL,
    report_id TEXT   NOT NULL,
    step_no   INTEGER NOT NULL,
    state     TEXT   NOT NULL,
    event     TEXT   NOT NULL,
    at        INTEGER NOT NULL,
    actor     TEXT   NOT NULL,
    note      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, report_id, step_no)
);

CREATE TABLE report_draft (
    tenant_id  INTEGER NOT NULL,
    user_id    INTEGER NOT NULL,
    draft_key  TEXT   NOT NULL,
    type       TEXT   NOT NULL,
    form       TEXT   NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id, draft_key)
);
