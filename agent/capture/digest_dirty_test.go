package capture

import (
	"testing"

	"lessor.dk/portalsync/protocol"
)

// Rows that cannot be sent make their buckets differ for ever. However many there are, that is no reason to read a kind
// anew: some are looked at each time, and what else differs goes first.
func TestBucketsWithRowsThatCannotBeSentAreNotTooMany(t *testing.T) {
	const bits, rows = 10, 256
	own, portal := protocol.NewDigest(bits), protocol.NewDigest(bits)
	m := &comparison{k: &kind{}, run: &verifyRun{}, own: own, dirty: make([]bool, len(own.Buckets))}
	for i := range portal.Buckets {
		portal.Buckets[i] = protocol.Bucket{Rows: rows, Sum: uint64(i) + 1}
		m.dirty[i] = i != 7
	}
	if more := new(Capture).differing(t.Context(), m, portal); !more || m.tooBig || m.stage != listing {
		t.Errorf("more %v, too much %v, stage %d; want a list of some buckets", more, m.tooBig, m.stage)
	}
	if len(m.wanted) != maxListed/rows || m.wanted[0] != 7 {
		t.Errorf("buckets = %d, the first %d; want %d, the first 7", len(m.wanted), m.wanted[0], maxListed/rows)
	}
}
