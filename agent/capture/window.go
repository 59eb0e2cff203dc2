package capture

import "lessor.dk/portalsync/protocol"

// The window's limits: what was read and is not yet applied.
const (
	windowBatches = 4
	windowBytes   = 4 << 20
)

// batch is kept as encoded, so that a batch sent again is the same batch to the byte.
type batch struct {
	seq     protocol.Seq
	encoded []byte
	rows    int   // without those of which only the key is sent
	at      int64 // unix ms of its source transaction, by this computer's clock
}

// window holds the batches that are read but not applied, in order. Only [window.applied] forgets one.
type window struct {
	batches []batch
	bytes   int
	sent    int // the first so many were handed to the sender
}

func (w *window) empty() bool { return len(w.batches) == 0 }

// room returns how many batches and bytes may still be read. There is none for bytes beyond the limit,
// but an empty window always has room for one batch, however large.
func (w *window) room() (batches, bytes int) {
	return windowBatches - len(w.batches), windowBytes - w.bytes
}

func (w *window) full() bool {
	batches, bytes := w.room()
	return batches <= 0 || bytes <= 0
}

func (w *window) add(batches ...batch) {
	for _, b := range batches {
		w.bytes += len(b.encoded)
	}
	w.batches = append(w.batches, batches...)
}

// next returns the first batch that was not handed to the sender, or nil.
func (w *window) next() *batch {
	if w.sent == len(w.batches) {
		return nil
	}
	return &w.batches[w.sent]
}

// applied forgets the batches up to seq (I5).
func (w *window) applied(seq protocol.Seq) {
	n := 0
	for n < len(w.batches) && w.batches[n].seq <= seq {
		w.bytes -= len(w.batches[n].encoded)
		n++
	}
	w.batches = append(w.batches[:0:0], w.batches[n:]...)
	w.sent = max(0, w.sent-n)
}

// rewind makes seq the next batch to send. It reports whether the window holds that batch.
func (w *window) rewind(seq protocol.Seq) bool {
	for i, b := range w.batches {
		if b.seq == seq {
			w.sent = min(w.sent, i)
			return true
		}
	}
	return false
}
