package protocol

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var sealedFor = StreamHeader{Tenant: 1, Stream: 7, Gen: 1763600000000, Seq: 3}

// pair returns a sealer and an opener that share a key, and the keyset between them.
func pair(t testing.TB) (*Sealer, *Opener, *Keyset) {
	t.Helper()
	key := sealingKey(t)
	sealer, err := NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	opener, err := NewOpener(holding(key))
	if err != nil {
		t.Fatal(err)
	}
	return sealer, opener, keysetOf(t, NewSigningKey(), key)
}

func holding(key *SealingKey) func(KeyID) (*SealingKey, bool) {
	return func(id KeyID) (*SealingKey, bool) { return key, id == key.ID() }
}

func TestBatchOpensOnlyInItsPlace(t *testing.T) {
	sealer, opener, ks := pair(t)
	encoded := bytes.Repeat([]byte("payslip line "), 10_000)
	sealed, err := sealer.SealBatch(ks, signedAt, sealedFor, encoded)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("payslip")) || len(sealed) > len(encoded)/10 {
		t.Errorf("sealed to %d bytes of %d", len(sealed), len(encoded))
	}
	if got, err := opener.OpenBatch(sealedFor, sealed); err != nil || !bytes.Equal(got, encoded) {
		t.Fatalf("opened %d bytes, %v", len(got), err)
	}
	for name, h := range map[string]StreamHeader{
		"another tenant":     {Tenant: 2, Stream: 7, Gen: 1763600000000, Seq: 3},
		"another stream":     {Tenant: 1, Stream: 8, Gen: 1763600000000, Seq: 3},
		"another generation": {Tenant: 1, Stream: 7, Gen: 1763600000001, Seq: 3},
		"another number":     {Tenant: 1, Stream: 7, Gen: 1763600000000, Seq: 4},
	} {
		if _, err := opener.OpenBatch(h, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrSealed)
		}
	}
}

func TestSealedBatchAltered(t *testing.T) {
	sealer, opener, ks := pair(t)
	sealed, err := sealer.SealBatch(ks, signedAt, sealedFor, []byte("row"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"empty":                    {func([]byte) []byte { return nil }, ErrSealed},
		"version byte":             {func(b []byte) []byte { b[0] = 2; return b }, ErrSealedVersion},
		"version byte alone":       {func(b []byte) []byte { return b[:1] }, ErrSealed},
		"keyset version":           {func(b []byte) []byte { b[4]++; return b }, ErrSealed},
		"key id":                   {func(b []byte) []byte { b[5] ^= 1; return b }, ErrSealedKey},
		"encapsulated key, first":  {func(b []byte) []byte { b[sealedHead] ^= 1; return b }, ErrSealed},
		"encapsulated key, X25519": {func(b []byte) []byte { b[sealedHead+encapsulationBytes-1] ^= 1; return b }, ErrSealed},
		"ciphertext":               {func(b []byte) []byte { b[sealedHead+encapsulationBytes] ^= 1; return b }, ErrSealed},
		"tag":                      {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, ErrSealed},
		"cut":                      {func(b []byte) []byte { return b[:len(b)-1] }, ErrSealed},
		"longer":                   {func(b []byte) []byte { return append(b, 0) }, ErrSealed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := opener.OpenBatch(sealedFor, tt.change(bytes.Clone(sealed))); !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
	_, stranger, _ := pair(t)
	if _, err := stranger.OpenBatch(sealedFor, sealed); !errors.Is(err, ErrSealedKey) {
		t.Errorf("another receiver: err = %v, want %v", err, ErrSealedKey)
	}
}

func TestSealBatchLimits(t *testing.T) {
	sealer, opener, ks := pair(t)
	if _, err := sealer.SealBatch(ks, signedAt.AddDate(1, 0, 0), sealedFor, nil); !errors.Is(err, ErrNoSealingKey) {
		t.Errorf("no key any more: err = %v", err)
	}
	if _, err := sealer.SealBatch(ks, signedAt, sealedFor, make([]byte, maxPlainBytes+1)); !errors.Is(err, &Reject{Code: CodeTooLarge}) {
		t.Errorf("too large: err = %v", err)
	}
	for _, n := range []int{0, 1, 255, 256, maxPlainBytes} {
		plain := make([]byte, n)
		rand.Read(plain)
		sealed, err := sealer.SealBatch(ks, signedAt, sealedFor, plain)
		if err != nil {
			t.Fatal(err)
		}
		if n == maxPlainBytes && len(sealed) > MaxSealedBytes+4096 {
			t.Errorf("%d random bytes seal to %d", n, len(sealed))
		}
		if got, err := opener.OpenBatch(sealedFor, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: opened %d, %v", n, len(got), err)
		}
	}
}

// A key holder who means harm declares 1 TiB, or packs gigabytes of zeros.
func TestOpenBatchIsBoundedBeforeAllocation(t *testing.T) {
	_, opener, ks := pair(t)
	pub, err := ks.SealTo(signedAt)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := encoder.EncodeAll(make([]byte, 256<<20), nil)
	small := encoder.EncodeAll([]byte("0123456789"), nil)
	var streamed bytes.Buffer
	w, err := zstd.NewWriter(&streamed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 256<<20))
	w.Close()
	declares := func(n uint64) []byte { // a single-segment frame header with an 8-byte content size
		b := []byte{0x28, 0xB5, 0x2F, 0xFD, 0b1110_0000}
		for range 8 {
			b, n = append(b, byte(n)), n>>8
		}
		return append(b, 1, 0, 0)
	}
	for name, packed := range map[string][]byte{
		"256 MiB of zeros":                    bomb,
		"256 MiB of zeros, size not declared": streamed.Bytes(),
		"declares 1 TiB":                      declares(1 << 40),
		"declares the most there is":          declares(math.MaxUint64),
		"declares less than it holds":         append([]byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 5}, small[6:]...),
		"a second frame":                      append(bytes.Clone(small), bomb...),
		"a skippable frame":                   {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4},
		"not compressed":                      []byte("row row row row"),
		"nothing":                             nil,
		"cut":                                 small[:len(small)-3],
	} {
		sealed, err := seal(pub, ks.Version, batchContext, batchPlace(sealedFor), packed)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = opener.OpenBatch(sealedFor, sealed)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCompressed) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrCompressed)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestBlobPartsOpenOnlyInTheirPlace(t *testing.T) {
	key := sealingKey(t)
	ks := keysetOf(t, NewSigningKey(), key)
	name := BlobName([]byte("tenant's key"), []byte("PDF"))
	sealed, err := SealBlobPart(ks, signedAt, 1, name, 2, []byte("PDF"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenBlobPart(holding(key), 1, name, 2, sealed); err != nil || string(got) != "PDF" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for what, open := range map[string]func() ([]byte, error){
		"another tenant": func() ([]byte, error) { return OpenBlobPart(holding(key), 2, name, 2, sealed) },
		"another name":   func() ([]byte, error) { return OpenBlobPart(holding(key), 1, name+"0", 2, sealed) },
		"another part":   func() ([]byte, error) { return OpenBlobPart(holding(key), 1, name, 1, sealed) },
	} {
		if _, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: err = %v, want %v", what, err, ErrSealed)
		}
	}
	if other := BlobName([]byte("another tenant's"), []byte("PDF")); other == name || len(name) != 64 {
		t.Errorf("names %q and %q", name, other)
	}
}

func TestSealedToAnAgentOpensOnlyAtItsAddress(t *testing.T) {
	key := sealingKey(t)
	at := Address{Purpose: PurposeReport, Tenant: 1, Stream: 7, Agent: 9, ID: "R1"}
	sealed, err := SealTo(key.Public(), at, []byte("report"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenFrom(key, at, sealed); err != nil || string(got) != "report" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for name, change := range map[string]func(*Address){
		"purpose": func(a *Address) { a.Purpose = PurposeSecret },
		"tenant":  func(a *Address) { a.Tenant = 2 },
		"stream":  func(a *Address) { a.Stream = 8 },
		"agent":   func(a *Address) { a.Agent = 10 },
		"id":      func(a *Address) { a.ID = "R2" },
	} {
		other := at
		change(&other)
		if _, err := OpenFrom(key, other, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("another %s: err = %v, want %v", name, err, ErrSealed)
		}
	}
	if _, err := OpenFrom(sealingKey(t), at, sealed); !errors.Is(err, ErrSealedKey) {
		t.Errorf("another agent: err = %v, want %v", err, ErrSealedKey)
	}
}

func BenchmarkSealBatch150kB(b *testing.B) {
	sealer, opener, ks := pair(b)
	encoded := rows(150 << 10)
	sealed, err := sealer.SealBatch(ks, signedAt, sealedFor, encoded)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			if _, err := sealer.SealBatch(ks, signedAt, sealedFor, encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			if _, err := opener.OpenBatch(sealedFor, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// rows returns bytes that compress about as payslip lines do.
func rows(n int) []byte {
	b := make([]byte, 0, n)
	for i := 0; len(b) < n; i++ {
		b = append(b, 0x8f, 0, 0x19, byte(i>>8), byte(i), 0xf6, 0x65, 'M', '0', byte('0'+i/500%10), byte('0'+i/50%10), byte('0'+i/5%10))
		b = append(b, "\x6bGrundl\xc3\xb8n   "...)
		b = append(b, 0x1a, byte(i*7919>>16), byte(i*7919>>8), byte(i*7919), byte(i*104729>>8))
		b = append(b, 0x19, 0x4f, byte(i/20))
	}
	return b[:n:n]
}
