package protocol

// Paths of the digest exchange.
const (
	PathDigest   = BasePath + "/v1/digests"          // POST DigestRequest
	PathVerified = BasePath + "/v1/digests/verified" // POST VerifiedRequest
)

// DigestRequest asks what the portal holds of one record kind. It is one of three questions: for the kind's buckets
// (neither Buckets nor Keys), for the hash pairs of some buckets, or for the keys of some key hashes.
type DigestRequest struct {
	Stream StreamID   `json:"stream"`
	Gen    Generation `json:"gen"` // of the session that asks
	Kind   string     `json:"kind"`
	Schema string     `json:"schema"` // SchemaHash of the kind as the OPEN named it
	// Content asks for row hashes made anew of what the portal's tables hold, instead of those that came with the rows.
	Content bool   `json:"content,omitempty"`
	Bits    int    `json:"bits"`              // 2^bits buckets; 0 to MaxDigestBits
	Rows    uint32 `json:"rows"`              // of the agent's own digest: when both are the portal's total,
	Sum     uint64 `json:"sum"`               // the answer leaves the buckets out
	Buckets []int  `json:"buckets,omitempty"` // at most MaxDigestBuckets
	Keys    []byte `json:"keys,omitempty"`    // key hashes of 8 bytes, big-endian; at most MaxDigestKeys
	From    uint64 `json:"from,omitempty"`    // lowest key hash to tell of: how a list goes on after More
	// Mend lets the portal forget the row hash of those of Keys whose tables hold something else than what the hash was
	// made of, so that the next batch with the row rewrites it. Of Keys only.
	Mend bool `json:"mend,omitempty"`
}

// DigestAnswer is what the portal holds. The checkpoint was read before the records: they are of that state or a later one.
type DigestAnswer struct {
	Gen        Generation `json:"gen"`
	AppliedSeq Seq        `json:"applied_seq"`
	Lineage    Lineage    `json:"lineage"`
	Position   Position   `json:"position"`
	State      KindState  `json:"state"` // of the kind; digests of any but ok mean nothing
	Rows       uint32     `json:"rows"`  // the kind's total
	Sum        uint64     `json:"sum"`
	Buckets    []byte     `json:"buckets,omitempty"` // Digest.Bytes, unless the totals are the agent's
	Pairs      []byte     `json:"pairs,omitempty"`   // of the buckets asked for, at most MaxDigestPairs
	// Keys holds the keyed pairs of the key hashes asked for, sealed to the agent ([PurposeSecret], [DigestKeysID]).
	Keys []byte `json:"keys,omitempty"`
	More bool   `json:"more,omitempty"` // ask again from the last key hash + 1
}

// DigestKeysID is the ID of [PurposeSecret] under which a digest answer hands out record keys of a kind.
func DigestKeysID(kind string) string { return "digest-keys " + kind }

// Verification is the outcome of holding one record kind of the portal against the main system.
type Verification struct {
	Kind        string   `json:"kind"`
	At          int64    `json:"at"`                   // unix ms of its end
	Position    Position `json:"position"`             // of the main system at its end
	Rows        int64    `json:"rows"`                 // of the main system
	Differences int64    `json:"differences"`          // rows that the portal had otherwise, not, or too many
	AtLeast     bool     `json:"at_least,omitempty"`   // there are more differences than were counted
	Mended      bool     `json:"mended,omitempty"`     // the differing rows were sent again
	Unreadable  int64    `json:"unreadable,omitempty"` // rows that cannot be sent: the portal keeps what it has of them
	Error       string   `json:"error,omitempty"`      // why there is no outcome, as one sentence; the rest means nothing then
}

// Equal reports whether the portal was found to hold what the main system holds.
func (v Verification) Equal() bool { return v.Error == "" && v.Differences == 0 && !v.AtLeast }

// VerifiedRequest tells operations the outcome of a verification. The answer is {}.
type VerifiedRequest struct {
	Stream   StreamID     `json:"stream"`
	Verified Verification `json:"verified"`
}
