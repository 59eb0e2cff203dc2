package protocol

import (
	"fmt"
	"log/slog"
)

// maxHeaderBytes bounds the encoded header of a batch.
const maxHeaderBytes = 32 << 10

// Header says what a batch is: where it stands in its stream and what it does to the checkpoint.
// A batch is part of a cut, or, with a Chunk, part of a snapshot.
type Header struct {
	StreamHeader
	Lineage    Lineage     // of the source transaction that read the rows
	From, To   Position    // of the cut: everything that changed in (From, To]
	CapturedAt int64       // unix ms
	Last       bool        // the last batch of its cut, the one that moves the position; false on chunks
	Covers     []string    // of a cut: kinds it covers; all its batches say the same
	Deletes    []KindCount // of a cut: deletes per kind in the whole cut, an upper bound of the rows the portal loses by it
	Begin      []Begin     // on a cut's last batch: snapshots that begin
	End        []End       // on a cut's last batch: snapshots whose last chunk was sent
	Chunk      *Chunk      // nil for a cut
}

// KindCount is a number of rows of one record kind.
type KindCount struct {
	Kind  string
	Count int64
}

// Begin starts a snapshot: from the cut's position on the kind is running under that id.
type Begin struct {
	Kind     string
	Snapshot SnapshotID
	Epoch    string // of the source table; a new one means that its rows were thrown away at once
}

// End completes a snapshot: rows of the kind that it did not hold may be swept.
type End struct {
	Kind     string
	Snapshot SnapshotID
}

// Chunk makes a batch part of a snapshot, or the answer to rereads.
type Chunk struct {
	Kind     string
	Snapshot SnapshotID // 0 when the batch only answers rereads
	LastKey  []byte     // the source's own cursor after the batch's last row
	Rereads  []int64    // ids of the [Reread] requests that the batch answers
}

// check refuses a header whose parts contradict each other, with [ErrHeader].
func (h *Header) check() error {
	switch {
	case h.Chunk != nil && (h.Last || len(h.Covers)+len(h.Deletes)+len(h.Begin)+len(h.End) > 0):
		return fmt.Errorf("a chunk with parts of a cut: %w", ErrHeader)
	case h.Chunk == nil && !h.Last && len(h.Begin)+len(h.End) > 0:
		return fmt.Errorf("begin or end before the last batch of a cut: %w", ErrHeader)
	}
	return nil
}

// LogValue shows where the batch stands and what it moves.
func (h Header) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("tenant", int64(h.Tenant)),
		slog.Int64("stream", int64(h.Stream)),
		slog.Int64("gen", int64(h.Gen)),
		slog.Int64("seq", int64(h.Seq)),
		slog.Int64("from", int64(h.From)),
		slog.Int64("to", int64(h.To)),
		slog.Bool("chunk", h.Chunk != nil),
	)
}
