package protocol

import "log/slog"

// Paths below [BasePath]. All but PathKeyset are signed both ways.
const (
	PathKeyset  = BasePath + "/v1/keyset"      // GET: the keyset, signed by the root key
	PathEnrol   = BasePath + "/v1/enrol"       // POST EnrolRequest
	PathOpen    = BasePath + "/v1/open"        // POST OpenRequest
	PathBatch   = BasePath + "/v1/batch"       // POST sealed batch, answered by BatchAnswer
	PathBlob    = BasePath + "/v1/blobs/"      // + name: GET BlobState, PUT ?part=i&of=n sealed part
	PathCheckIn = BasePath + "/v1/check-in"    // POST CheckInRequest, may wait
	PathAck     = BasePath + "/v1/reports/ack" // POST AckRequest
)

// Media types of bodies.
const (
	MediaJSON  = "application/json"
	MediaBatch = "application/vnd.portalsync.batch"
	MediaBlob  = "application/vnd.portalsync.blob"
)

// HeaderStream carries [StreamHeader.String] and is covered by the signature.
const HeaderStream = "PortalSync-Stream"

// KindState is a record kind's state in the portal (specification, part "State machine").
type KindState string

// The states of a record kind.
const (
	KindNeeded    KindState = "needed"    // a snapshot must begin
	KindRunning   KindState = "running"   // a snapshot is being received
	KindSweeping  KindState = "sweeping"  // its end was received, rows it did not hold are being deleted
	KindOK        KindState = "ok"        // cuts keep it equal to the main system
	KindSuspended KindState = "suspended" // left out until a person releases it
)

// KindStatus is what the portal says of one record kind.
type KindStatus struct {
	Kind     string     `json:"kind"`
	State    KindState  `json:"state"`
	Snapshot SnapshotID `json:"snapshot,omitempty"` // of running and sweeping
	LastKey  []byte     `json:"last_key,omitempty"` // of running: the source's own cursor
	Epoch    string     `json:"epoch,omitempty"`    // of the source table when the snapshot began
	Held     bool       `json:"held,omitempty"`     // the sweep waits for a person (delete guard)
}

// OpenRequest begins a generation.
type OpenRequest struct {
	Stream    StreamID `json:"stream"`
	BootNonce string   `json:"boot_nonce"` // new at each start of the agent process
	// Gen is the generation that this process held last, 0 before its first. A request that comes late, or again, names an
	// older one than the process was given: it does not show that the process lives.
	Gen       Generation `json:"gen"`
	InstallID string     `json:"install_id"` // made at installation
	Lineage   Lineage    `json:"lineage"`
	Position  Position   `json:"position"`
	Protocol  int        `json:"protocol"`
	Agent     string     `json:"agent"` // program version, for operations
	Platform  string     `json:"platform"`
	Plan      string     `json:"plan"`    // hash of the plan
	Schemas   []Schema   `json:"schemas"` // one per planned record kind, parents first
}

// OpenAnswer is the portal's checkpoint.
type OpenAnswer struct {
	Gen      Generation   `json:"gen"`
	Lineage  Lineage      `json:"lineage"`
	Position Position     `json:"position"`
	Kinds    []KindStatus `json:"kinds"`
	Keyset   int          `json:"keyset"` // current version; fetch again when newer than the agent's
	// BlobKey is the tenant's key for blob names, sealed to the agent ([PurposeSecret]).
	BlobKey []byte `json:"blob_key"`
}

// BatchAnswer acknowledges a queued batch; "accepted" promises nothing.
type BatchAnswer struct {
	Duplicate  bool `json:"duplicate,omitempty"`
	AppliedSeq Seq  `json:"applied_seq"`
}

// CheckInRequest tells the portal how the agent is and asks what is new.
type CheckInRequest struct {
	Stream     StreamID    `json:"stream"`
	Gen        Generation  `json:"gen"`         // 0 while closed
	WaitMillis int64       `json:"wait_millis"` // longest wait for news, at most 25,000; 0 answers at once
	AppliedSeq Seq         `json:"applied_seq"` // last known: news is anything that differs
	KindsHash  uint64      `json:"kinds_hash"`  // HashKinds of the last known statuses
	Status     AgentStatus `json:"status"`
}

// AgentStatus is shown to operations. It holds no payroll data.
type AgentStatus struct {
	State       string         `json:"state"`                  // starting, loading, following, waiting, failing, upgrading
	Code        string         `json:"code,omitempty"`         // stable code of the last error, as agent documentation lists
	Error       string         `json:"error,omitempty"`        // one sentence: what, where, what to do
	Since       int64          `json:"since,omitempty"`        // unix ms of the last error's first occurrence
	Position    Position       `json:"position"`               // read so far
	SourceAt    int64          `json:"source_at,omitempty"`    // unix ms of the last successful look at the main system
	Unsent      int64          `json:"unsent_since,omitempty"` // unix ms of the oldest change read but not applied; 0 none
	RowsSent    int64          `json:"rows_sent"`              // since the process began
	BatchesOut  int            `json:"batches_out"`            // in the window
	ReportsIn   int64          `json:"reports_in"`             // delivered to the main system since the process began
	BadRows     int64          `json:"bad_rows,omitempty"`     // rows that cannot be sent, counted anew by each snapshot
	Loading     []LoadProgress `json:"loading,omitempty"`
	Quiet       []QuietKind    `json:"quiet,omitempty"`        // kinds that the plan has left alone now
	ClockOff    int64          `json:"clock_off,omitempty"`    // ms the agent adds to its computer's clock, after the receiver called that wrong
	LastTrouble *Trouble       `json:"last_trouble,omitempty"` // on the way to the receiver; nil if there was none since the process began
	ReportsWait *ReportsWait   `json:"reports_wait,omitempty"` // nil while reports go into the main system
}

// ReportsWait is why reports that the agent holds do not get into the main system. It says nothing of what they hold.
type ReportsWait struct {
	Code     string `json:"code"`     // stable, as agent documentation lists
	Sentence string `json:"sentence"` // what, where, what to do
	Waiting  int    `json:"waiting"`  // reports
	Since    int64  `json:"since"`    // unix ms of the first failed try
}

// Trouble is what kept an agent from its receiver: nothing of it can be told before it is over, or before
// another request finds a way.
type Trouble struct {
	Code     string `json:"code"`            // stable, as agent documentation lists
	Sentence string `json:"sentence"`        // what, where, what to do
	From     int64  `json:"from"`            // unix ms of the first failed attempt, by the receiver's clock
	Until    int64  `json:"until,omitempty"` // unix ms of the answer that ended it; 0 while it lasts
}

// QuietKind tells of a kind that is not looked at until a moment, because the plan has it left alone at this time of day.
type QuietKind struct {
	Kind  string `json:"kind"`
	Until int64  `json:"until"` // unix ms
}

// LoadProgress tells how far a snapshot is.
type LoadProgress struct {
	Kind  string `json:"kind"`
	Rows  int64  `json:"rows"`
	Total int64  `json:"total"` // estimate at the start; 0 unknown
}

// CheckInAnswer is the portal's state of the stream and what waits for the agent.
type CheckInAnswer struct {
	Gen        Generation     `json:"gen"`
	AppliedSeq Seq            `json:"applied_seq"`
	Enqueued   Seq            `json:"enqueued"` // last seq that reached the queue in this generation
	Queued     int            `json:"queued"`   // batches of this generation waiting in the queue
	Lineage    Lineage        `json:"lineage"`
	Position   Position       `json:"position"`
	Kinds      []KindStatus   `json:"kinds"`
	Reports    []SealedReport `json:"reports,omitempty"`
	Reread     []Reread       `json:"reread,omitempty"` // rows to read again by key (mended dead letters)
	Keyset     int            `json:"keyset"`
	ServerTime int64          `json:"server_time"` // unix ms
}

// Reread asks for one row again. Key is the record key's canonical encoding as the dead letter kept it.
type Reread struct {
	ID   int64  `json:"id"`
	Kind string `json:"kind"`
	Key  []byte `json:"key"`
}

// ReportID is made at submission and is the same for the life of the report.
type ReportID string

// SealedReport is a report on its way to the main system: JSON of a [Report] sealed to the agent's key ([PurposeReport]).
type SealedReport struct {
	ID     ReportID `json:"id"`
	Sealed []byte   `json:"sealed"`
}

// Report is what an employee reported (indberetning).
type Report struct {
	ID          ReportID          `json:"id"`
	Type        string            `json:"type"` // "absence"
	EmployeeNo  string            `json:"employee_no"`
	SubmittedAt int64             `json:"submitted_at"` // unix ms
	Fields      map[string]string `json:"fields"`       // per type; dates as YYYY-MM-DD, decimals with a point
	// Expected is the record that the report is about, as the employee saw it; nil for a report about no record.
	Expected *Expected `json:"expected,omitempty"`
}

// Expected names a record and the content it had. The main system takes the report only if the record is still so.
type Expected struct {
	Kind    string `json:"kind"`
	Key     []byte `json:"key"`      // as [KeyBytes] writes it
	RowHash uint64 `json:"row_hash"` // as [Pair] has it
}

// LogValue shows which report it is, never whose or what it says (N3).
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(slog.String("report", string(r.ID)), slog.String("type", r.Type))
}

// Outcomes of handing a report to the main system.
const (
	AckStored  = "stored"  // the row is in the main system (now or since an earlier try)
	AckRefused = "refused" // the main system will never take it; Reason says why
	// AckConflict means that the record which the report expected is not so any more, and nothing was written.
	AckConflict = "conflict"
)

// AckRequest acknowledges reports written into the main system.
type AckRequest struct {
	Stream StreamID `json:"stream"`
	Acks   []Ack    `json:"acks"`
}

// Ack says one report is a row in the main system at that place in its timeline.
type Ack struct {
	ID       ReportID `json:"id"`
	Outcome  string   `json:"outcome"`
	Reason   string   `json:"reason,omitempty"`
	Lineage  Lineage  `json:"lineage"`
	Position Position `json:"position"`
}

// BlobState lists the parts of a blob that the receiver holds.
type BlobState struct {
	Complete bool  `json:"complete"`
	Parts    []int `json:"parts,omitempty"` // numbers from 0
}

// BlobPartBytes is the size of every part of a blob but the last, before sealing.
const BlobPartBytes = 1 << 20

// EnrolRequest asks for an identity. The invite's secret is never sent: Proof is an HMAC over the transcript.
type EnrolRequest struct {
	Invite     string `json:"invite"`   // the invite's public id
	Proof      []byte `json:"proof"`    // see EnrolProof
	SignKey    []byte `json:"sign_key"` // Ed25519 public key, 32 bytes
	SealKey    []byte `json:"seal_key"` // HPKE public key
	InstallID  string `json:"install_id"`
	Hostname   string `json:"hostname"`
	Agent      string `json:"agent"`
	Platform   string `json:"platform"`
	MainSystem string `json:"main_system"` // kind and product, for the person who approves
}

// EnrolAnswer is the agent's identity.
type EnrolAnswer struct {
	Agent    AgentID  `json:"agent"`
	Tenant   TenantID `json:"tenant"`
	Stream   StreamID `json:"stream"`
	Key      KeyID    `json:"key"`
	Customer string   `json:"customer"` // name, to show to the installer
}
