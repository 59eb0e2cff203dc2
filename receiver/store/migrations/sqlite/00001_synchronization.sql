-- Customers, their agents, the checkpoint of every stream and the records.
-- Own instants are unix milliseconds, 0 for none; truth values are 0 and 1. Ids, dates (days), instants (ticks of 100 ns),
-- decimals (unscaled) and times of records are whole numbers.
-- +goose Up
CREATE TABLE tenant (
    tenant_id INTEGER PRIMARY KEY AUTOINCREMENT,
    code      TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    suspended INTEGER NOT NULL DEFAULT 0,
    blob_key  BLOB NOT NULL
);

CREATE TABLE invite (
    invite_id   TEXT PRIMARY KEY, -- the agent knows no tenant yet
    tenant_id   INTEGER NOT NULL REFERENCES tenant,
    secret      BLOB NOT NULL,
    replaces    INTEGER NOT NULL,
    main_system TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    failures    INTEGER NOT NULL DEFAULT 0,
    used_by     TEXT NOT NULL DEFAULT '',
    used_at     INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE stream (
    tenant_id       INTEGER NOT NULL REFERENCES tenant,
    stream_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    gen             INTEGER NOT NULL DEFAULT 0,
    applied_seq     INTEGER NOT NULL DEFAULT 0,
    lineage         TEXT NOT NULL DEFAULT '',
    position        INTEGER NOT NULL DEFAULT 0,
    status          TEXT NOT NULL DEFAULT 'ok',
    cause           TEXT NOT NULL DEFAULT '',
    agent_id        INTEGER NOT NULL DEFAULT 0,
    opened_at       INTEGER NOT NULL DEFAULT 0,
    applied_at      INTEGER NOT NULL DEFAULT 0,
    captured_at     INTEGER NOT NULL DEFAULT 0,
    rows_applied    INTEGER NOT NULL DEFAULT 0,
    install_id      TEXT NOT NULL DEFAULT '',
    plan_hash       TEXT NOT NULL DEFAULT '',
    seen_lineage    TEXT NOT NULL DEFAULT '', -- the main system's at the last OPEN
    seen_position   INTEGER NOT NULL DEFAULT 0,
    boot_nonce      TEXT NOT NULL DEFAULT '',
    previous_nonce  TEXT NOT NULL DEFAULT '',
    previous_gen    INTEGER NOT NULL DEFAULT 0, -- the last that previous_nonce was given
    returned_nonces INTEGER NOT NULL DEFAULT 0,
    half_cut        TEXT NOT NULL DEFAULT '', -- what the writer must know of a cut that goes on
    UNIQUE (tenant_id, stream_id)
);

CREATE TABLE stream_kind (
    tenant_id   INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL,
    snapshot_id INTEGER NOT NULL DEFAULT 0,
    last_key    BLOB,
    epoch       TEXT NOT NULL DEFAULT '',
    held        INTEGER NOT NULL DEFAULT 0,
    cause       TEXT NOT NULL DEFAULT '',
    planned     INTEGER NOT NULL DEFAULT 1,
    sweep_key   TEXT NOT NULL DEFAULT '', -- JSON of the last key the sweep looked at
    letters     INTEGER NOT NULL DEFAULT 0, -- dead letters that wait
    captured_at INTEGER NOT NULL DEFAULT 0, -- as of then the records were the main system's
    PRIMARY KEY (tenant_id, stream_id, kind),
    FOREIGN KEY (tenant_id, stream_id) REFERENCES stream (tenant_id, stream_id)
);

CREATE TABLE agent (
    tenant_id    INTEGER NOT NULL REFERENCES tenant,
    agent_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_id    INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'active',
    install_id   TEXT NOT NULL DEFAULT '',
    hostname     TEXT NOT NULL DEFAULT '',
    version      TEXT NOT NULL DEFAULT '',
    platform     TEXT NOT NULL DEFAULT '',
    main_system  TEXT NOT NULL DEFAULT '',
    address      TEXT NOT NULL DEFAULT '',
    enrolled_at  INTEGER NOT NULL,
    last_contact INTEGER NOT NULL DEFAULT 0,
    status       TEXT NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, agent_id),
    FOREIGN KEY (tenant_id, stream_id) REFERENCES stream (tenant_id, stream_id)
);

CREATE TABLE agent_key (
    key_id     TEXT PRIMARY KEY, -- a request names its key before it names anything else
    tenant_id  INTEGER NOT NULL,
    agent_id   INTEGER NOT NULL,
    state      TEXT NOT NULL DEFAULT 'active',
    sign_key   BLOB NOT NULL,
    seal_key   BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agent (tenant_id, agent_id)
);

CREATE TABLE agent_schema (
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    hash      TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

-- Which rows a running snapshot found unchanged: a mark of 8 bytes in a run of them instead of a rewrite of the row.
-- Runs count in the order they were written: a later one has the last word on a key.
CREATE TABLE snapshot_mark (
    tenant_id   INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    snapshot_id INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    held        INTEGER NOT NULL, -- 0: these keys were deleted since
    key_hashes  BLOB NOT NULL, -- 64 bits each, big-endian
    PRIMARY KEY (tenant_id, stream_id, kind, snapshot_id, run)
);

CREATE TABLE dead_letter (
    tenant_id      INTEGER NOT NULL,
    stream_id      INTEGER NOT NULL,
    letter_id      INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    key_bytes      BLOB NOT NULL,
    key_hash       INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    sealed         BLOB NOT NULL,
    source_version INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    rereading      INTEGER NOT NULL DEFAULT 0,
    resolved       TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, stream_id, letter_id),
    FOREIGN KEY (tenant_id, stream_id) REFERENCES stream (tenant_id, stream_id)
);
CREATE INDEX dead_letter_waiting ON dead_letter (tenant_id, stream_id, kind, key_hash) WHERE resolved = '';

CREATE TABLE lease (
    shard      INTEGER PRIMARY KEY,
    holder     TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE blob (
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    name      TEXT NOT NULL,
    parts     INTEGER NOT NULL,
    content   BLOB,
    size      INTEGER NOT NULL DEFAULT 0,
    stored_at INTEGER NOT NULL DEFAULT 0, -- 0 while parts are missing
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE blob_part (
    tenant_id INTEGER NOT NULL,
    name      TEXT NOT NULL,
    part      INTEGER NOT NULL,
    sealed    BLOB NOT NULL,
    PRIMARY KEY (tenant_id, name, part),
    FOREIGN KEY (tenant_id, name) REFERENCES blob (tenant_id, name)
);

-- One table per record kind of protocol/record. Every further index costs a third of the rate: at most one each.

CREATE TABLE rec_department (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    department_no TEXT NOT NULL, name TEXT NOT NULL, group_name TEXT, parent_no TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, department_no)
) WITHOUT ROWID;

CREATE TABLE rec_employee (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employee_no TEXT NOT NULL, name TEXT NOT NULL, email TEXT, phone TEXT, address TEXT, postal_code TEXT, city TEXT,
    department_no TEXT, job_title TEXT, hired_on INTEGER, left_on INTEGER, born_on INTEGER, active INTEGER NOT NULL,
    language TEXT, national_id TEXT, bank_account TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employee_no)
) WITHOUT ROWID;

CREATE TABLE rec_employment (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employment_no TEXT NOT NULL, employee_no TEXT NOT NULL, department_no TEXT, valid_from INTEGER NOT NULL,
    valid_to INTEGER, job_title TEXT, shift_no TEXT, weekly_hours INTEGER,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employment_no)
) WITHOUT ROWID;
CREATE INDEX rec_employment_employee ON rec_employment (tenant_id, stream_id, employee_no);

CREATE TABLE rec_pay_rate (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employee_no TEXT NOT NULL, valid_from INTEGER NOT NULL, rate INTEGER NOT NULL, unit TEXT, currency TEXT,
    periods_per_month INTEGER,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employee_no, valid_from)
) WITHOUT ROWID;

CREATE TABLE rec_shift (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    shift_no TEXT NOT NULL, name TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, shift_no)
) WITHOUT ROWID;

CREATE TABLE rec_pay_calendar (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    pay_calendar_no TEXT NOT NULL, name TEXT NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    pay_date INTEGER NOT NULL, reports_due INTEGER,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, pay_calendar_no)
) WITHOUT ROWID;

CREATE TABLE rec_payslip (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    payslip_no TEXT NOT NULL, employee_no TEXT NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    pay_date INTEGER NOT NULL, gross INTEGER NOT NULL, tax INTEGER NOT NULL, net INTEGER NOT NULL,
    currency TEXT NOT NULL, document_no TEXT, title TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, payslip_no)
) WITHOUT ROWID;
CREATE INDEX rec_payslip_employee ON rec_payslip (tenant_id, stream_id, employee_no);

CREATE TABLE rec_payslip_line (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    payslip_no TEXT NOT NULL, line_no INTEGER NOT NULL, employee_no TEXT NOT NULL, code TEXT NOT NULL,
    label TEXT NOT NULL, quantity INTEGER, unit TEXT, rate INTEGER, amount INTEGER NOT NULL, year_to_date INTEGER,
    section TEXT, account TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, payslip_no, line_no)
) WITHOUT ROWID;

CREATE TABLE rec_document (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    document_no TEXT NOT NULL, employee_no TEXT NOT NULL, title TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER NOT NULL, dated_on INTEGER, content TEXT NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, document_no)
) WITHOUT ROWID;
CREATE INDEX rec_document_employee ON rec_document (tenant_id, stream_id, employee_no);

CREATE TABLE rec_balance_type (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    balance_type_no TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, sort INTEGER, name_sv TEXT, name_en TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, balance_type_no)
) WITHOUT ROWID;

CREATE TABLE rec_balance (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employee_no TEXT NOT NULL, balance_type_no TEXT NOT NULL, amount INTEGER NOT NULL, earned INTEGER, used INTEGER,
    as_of INTEGER NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employee_no, balance_type_no)
) WITHOUT ROWID;

CREATE TABLE rec_absence_type (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    absence_type_no TEXT NOT NULL, name TEXT NOT NULL, unit TEXT, reportable INTEGER NOT NULL, balance_type_no TEXT,
    sort INTEGER, name_sv TEXT, name_en TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, absence_type_no)
) WITHOUT ROWID;

CREATE TABLE rec_absence (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    absence_no TEXT NOT NULL, employee_no TEXT NOT NULL, absence_type_no TEXT NOT NULL, first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL, quantity INTEGER, unit TEXT, state TEXT NOT NULL, report_id TEXT, note TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, absence_no)
) WITHOUT ROWID;
CREATE INDEX rec_absence_employee ON rec_absence (tenant_id, stream_id, employee_no);

CREATE TABLE rec_time_entry (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    time_entry_no TEXT NOT NULL, employee_no TEXT NOT NULL, worked_on INTEGER NOT NULL, starts_at INTEGER,
    ends_at INTEGER, hours INTEGER, wage_type TEXT, dimension_no TEXT, report_id TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, time_entry_no)
) WITHOUT ROWID;
CREATE INDEX rec_time_entry_employee ON rec_time_entry (tenant_id, stream_id, employee_no);

CREATE TABLE rec_schedule (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employee_no TEXT NOT NULL, planned_on INTEGER NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    break_hours INTEGER, shift_no TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employee_no, planned_on, starts_at)
) WITHOUT ROWID;

CREATE TABLE rec_registration_type (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    registration_type_no TEXT NOT NULL, name TEXT NOT NULL, form TEXT NOT NULL, unit TEXT, name_sv TEXT, name_en TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, registration_type_no)
) WITHOUT ROWID;

CREATE TABLE rec_registration_group (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    registration_group_no TEXT NOT NULL, registration_type_no TEXT NOT NULL, name TEXT NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, registration_group_no, registration_type_no)
) WITHOUT ROWID;

CREATE TABLE rec_registration_period (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    registration_period_no TEXT NOT NULL, first_day INTEGER NOT NULL, last_day INTEGER NOT NULL, closes_on INTEGER,
    open INTEGER NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, registration_period_no)
) WITHOUT ROWID;

CREATE TABLE rec_approver (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    employee_no TEXT NOT NULL, approver_no TEXT NOT NULL, valid_from INTEGER, valid_to INTEGER,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, employee_no, approver_no)
) WITHOUT ROWID;

CREATE TABLE rec_dimension (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    dimension_no TEXT NOT NULL, name TEXT NOT NULL, group_name TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, dimension_no)
) WITHOUT ROWID;

CREATE TABLE rec_place (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    place_no TEXT NOT NULL, name TEXT NOT NULL, address TEXT, postal_code TEXT, city TEXT,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, place_no)
) WITHOUT ROWID;

CREATE TABLE rec_report_result (
    tenant_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
    report_id TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, reason_code TEXT, decided_at INTEGER NOT NULL,
    key_hash INTEGER NOT NULL, row_hash INTEGER NOT NULL, source_version INTEGER NOT NULL,
    snapshot_id INTEGER, captured_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, report_id)
) WITHOUT ROWID;
