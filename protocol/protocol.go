// Package protocol is the contract between agent and receiver: the identities they name,
// the batches they exchange, how those are encoded, sealed and signed, and the answers.
// The specification that this package keeps true is README.md beside it.
//
// It is the only package that agent and receiver share.
package protocol

import (
	"fmt"
	"strconv"
)

// Version is the protocol version an agent names in its OPEN.
//
//	1  2026-11  first version
const Version = 1

// BasePath is the path under which everything between agent and receiver happens (L11).
const BasePath = "/synchronization"

// TenantID identifies one customer of LESSOR. The receiver's store issues it.
type TenantID int64

// StreamID identifies the ordered change feed of one main system. It is unique over all tenants.
type StreamID int64

// AgentID identifies one enrolled agent over the whole of its life, key rotations included.
type AgentID int64

// KeyID names a public key: the base64url SHA-256 of the key, cut to 22 characters.
type KeyID string

// Generation is a session of a stream. The portal store issues it at OPEN; it never repeats
// and only grows, so it fences every older writer.
type Generation int64

// Seq numbers the batches of one generation: 1, 2, 3 … Zero is "none yet".
type Seq int64

// Position is a version of the main system's database within a lineage. It only grows.
// Zero is a legal position.
type Position int64

// Lineage identifies the timeline of a main system's database. A restore makes a new one.
// The empty lineage is "none yet".
type Lineage string

// SnapshotID names one full read of one record kind. It never repeats within a stream.
type SnapshotID int64

// snapshotsPerGeneration bounds the snapshots one generation may begin.
const snapshotsPerGeneration = 1 << 20

// NewSnapshotID returns the n-th snapshot id of a generation, n counting from 0.
// It panics when n is not below 2^20: a generation lives for days and begins a handful.
func NewSnapshotID(gen Generation, n int) SnapshotID {
	if n < 0 || n >= snapshotsPerGeneration {
		panic("protocol: snapshot number out of range: " + strconv.Itoa(n)) //nolint:forbidigo // a repeated id would lose rows, and no input leads here
	}
	return SnapshotID(int64(gen)*snapshotsPerGeneration + int64(n))
}

// Limits of one batch. A receiver refuses what exceeds them with [CodeTooLarge].
const (
	// MaxBatchRows is the largest number of rows in a batch.
	MaxBatchRows = 5000
	// MaxBatchBytes is the largest encoded batch before compression and sealing, in bytes.
	// A single row may exceed it alone, up to MaxRowBytes.
	MaxBatchBytes = 1 << 20
	// MaxRowBytes is the largest encoded row, in bytes.
	MaxRowBytes = 4 << 20
	// MaxSealedBytes is the largest request body of a batch, in bytes.
	MaxSealedBytes = MaxRowBytes + 64<<10
	// MaxBlobBytes is the largest document before sealing, in bytes.
	MaxBlobBytes = 8 << 20
	// MaxMessageBytes is the largest control message (everything but batch and blob), in bytes.
	MaxMessageBytes = 1 << 20
)

// StreamHeader places a batch: which stream, which generation, which number.
// It travels in the signed PortalSync-Stream header and is bound into the seal.
type StreamHeader struct {
	Tenant TenantID
	Stream StreamID
	Gen    Generation
	Seq    Seq
}

// String returns the header's only legal spelling.
func (h StreamHeader) String() string {
	return fmt.Sprintf("tenant=%d, stream=%d, gen=%d, seq=%d", h.Tenant, h.Stream, h.Gen, h.Seq)
}
