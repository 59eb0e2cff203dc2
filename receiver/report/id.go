package report

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"lessor.dk/portalsync/protocol"
)

// An id is 16 characters of Crockford's alphabet (no I, L, O, U): 45 bits of unix milliseconds and
// 35 bits of chance. Ids sort by the time they were made and can be read out over a telephone.
const (
	alphabet   = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	timeChars  = 9
	randChars  = 7
	bitsOfChar = 5
	groupChars = 4
)

// NewID returns the id of a report submitted at that time.
func NewID(at time.Time) protocol.ReportID {
	var random [8]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	var b [timeChars + randChars]byte
	put(b[:timeChars], uint64(at.UnixMilli()))
	put(b[timeChars:], binary.BigEndian.Uint64(random[:]))
	return protocol.ReportID(b[:])
}

// put writes the low bits of n, most significant character first.
func put(dst []byte, n uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = alphabet[n&(1<<bitsOfChar-1)]
		n >>= bitsOfChar
	}
}

// Number returns the id as it is shown to people: in groups of four.
func Number(id protocol.ReportID) string {
	var b strings.Builder
	for i := 0; i < len(id); i += groupChars {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(string(id[i:min(i+groupChars, len(id))]))
	}
	return b.String()
}
