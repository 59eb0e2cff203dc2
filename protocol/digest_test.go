package protocol_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

// TestHasherFindsWhatADecoderFinds draws rows of any kinds: agent and writer hash them alike.
func TestHasherFindsWhatADecoderFinds(t *testing.T) {
	var h protocol.Hasher // reused, as capture does
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		row := drawRow(t, s, true)
		e := protocol.NewEncoder()
		if err := e.Row(s, &row); err != nil {
			t.Fatal(err)
		}
		head := protocoltest.Header(1)
		head.Last, head.Chunk = false, &protocol.Chunk{Kind: s.Kind}
		b, err := e.Finish(head)
		if err != nil {
			t.Fatal(err)
		}
		d, err := protocol.NewDecoder(b, func(protocol.SchemaHash) (*protocol.SectionSchema, bool) { return s, true })
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.NextSection(); err != nil {
			t.Fatal(err)
		}
		var sent protocol.DecodedRow
		if err := d.Row(&sent); err != nil {
			t.Fatal(err)
		}
		got, err := h.Pair(s, &row)
		if want := (protocol.Pair{Key: sent.KeyHash, Row: sent.RowHash}); err != nil || got != want {
			t.Fatalf("Pair = %x (err %v), want %x", got, err, want)
		}
		if got := h.StoredPair(s, sent.Values); got.Row != sent.RowHash || got.Key != sent.KeyHash {
			t.Fatalf("StoredPair = %x, want %x", got, sent)
		}
	})
}

func TestHasherRefusesWhatMayNotBeSent(t *testing.T) {
	s := protocoltest.Schema(t, "department")
	bad := protocol.Row{Values: []protocol.Value{protocol.TextValue("10"), protocol.TextValue("nul\x00"), {}, {}}}
	var h protocol.Hasher
	var refused *protocol.RowError
	if _, err := h.Pair(s, &bad); !errors.As(err, &refused) || refused.Field != "name" {
		t.Errorf("err = %v, want a RowError of name", err)
	}
}

func TestADigestNotices(t *testing.T) {
	records := []protocol.Pair{{Key: 1, Row: 10}, {Key: 2, Row: 20}, {Key: 1 << 63, Row: 30}}
	sum := func(pairs ...protocol.Pair) []byte {
		d := protocol.NewDigest(0)
		for _, p := range pairs {
			d.Add(p)
		}
		return d.Bytes()
	}
	want := sum(records...)
	if got := sum(records[2], records[0], records[1]); !slices.Equal(got, want) {
		t.Error("the order matters")
	}
	for name, pairs := range map[string][]protocol.Pair{
		"a missing record":                      records[1:],
		"a changed record":                      {{Key: 1, Row: 11}, records[1], records[2]},
		"two records that swapped content":      {{Key: 1, Row: 20}, {Key: 2, Row: 10}, records[2]},
		"a record in place of another":          {records[0], records[0], records[2]},
		"two records twice in place of another": {records[0], records[0], records[1]},
		"a record's key and row swapped":        {{Key: 10, Row: 1}, records[1], records[2]},
		"a record too many":                     {records[0], records[1], records[2], {Key: 4, Row: 40}},
	} {
		if slices.Equal(sum(pairs...), want) {
			t.Errorf("not %s", name)
		}
	}
}

func TestDigestsTravel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(0, 6).Draw(t, "bits")
		d, total := protocol.NewDigest(bits), protocol.NewDigest(0)
		pairs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) protocol.Pair {
			return protocol.Pair{Key: rapid.Uint64().Draw(t, "key"), Row: rapid.Uint64().Draw(t, "row")}
		})).Draw(t, "pairs")
		slices.SortFunc(pairs, func(a, b protocol.Pair) int { return cmp.Compare(a.Key, b.Key) })
		var list, keyed []byte
		var keys []protocol.KeyedPair
		for i, p := range pairs {
			d.Add(p)
			total.Add(p)
			list = protocol.AppendPair(list, p)
			keys = append(keys, protocol.KeyedPair{Pair: p, Bytes: slices.Repeat([]byte{byte(i)}, i%5)})
			keyed = protocol.AppendKeyedPair(keyed, keys[i])
		}
		if d.Total() != total.Buckets[0] {
			t.Errorf("total = %v, want %v", d.Total(), total.Buckets[0])
		}
		if got, err := protocol.ParseDigest(bits, d.Bytes()); err != nil || !gocmp.Equal(got, d) {
			t.Errorf("digest = %v (err %v)", got, err)
		}
		if got, err := protocol.ParseKeyedPairs(keyed); err != nil || len(got) != len(keys) || len(keys) > 0 && !slices.Equal(got[len(got)-1].Bytes, keys[len(keys)-1].Bytes) {
			t.Errorf("keyed pairs = %v (err %v)", got, err)
		}
		if got, err := protocol.ParsePairs(list); err != nil || !slices.Equal(got, pairs) {
			t.Errorf("pairs = %v (err %v), want %v", got, err, pairs)
		}
	})
}

func TestDigestsOfAnotherFormAreRefused(t *testing.T) {
	one := protocol.AppendKeyedPair(nil, protocol.KeyedPair{Bytes: []byte("nøgle")})
	disordered := protocol.AppendPair(protocol.AppendPair(nil, protocol.Pair{Key: 2}), protocol.Pair{Key: 1})
	long := slices.Clone(one)
	long[16] = 0xff
	_, few := protocol.ParseDigest(1, make([]byte, 12))
	_, negative := protocol.ParseDigest(-1, nil)
	_, many := protocol.ParseDigest(protocol.MaxDigestBits+1, nil)
	_, half := protocol.ParsePairs(make([]byte, 17))
	_, order := protocol.ParsePairs(disordered)
	_, cut := protocol.ParseKeyedPairs(one[:len(one)-1])
	_, head := protocol.ParseKeyedPairs(one[:19])
	_, length := protocol.ParseKeyedPairs(long)
	for what, err := range map[string]error{
		"too few buckets": few, "negative bits": negative, "too many bits": many, "half a pair": half,
		"pairs out of order": order, "a key cut off": cut, "a head cut off": head, "a length beyond the end": length,
	} {
		if !errors.Is(err, protocol.ErrDigest) {
			t.Errorf("%s: err = %v, want ErrDigest", what, err)
		}
	}
}

func TestBucketsSuitTheKind(t *testing.T) {
	for rows, want := range map[int64]int{0: 0, 256: 0, 257: 1, 1_000_000: 12, 10_000_000: 15, 1 << 40: protocol.MaxDigestBits} {
		if got := protocol.DigestBits(rows); got != want {
			t.Errorf("DigestBits(%d) = %d, want %d", rows, got, want)
		}
	}
}

func TestTheLargestAnswersFitAMessage(t *testing.T) {
	base64 := func(n int) int { return (n + 2) / 3 * 4 }
	for what, n := range map[string]int{
		"buckets": base64(len(protocol.NewDigest(protocol.MaxDigestBits).Bytes())),
		"pairs":   base64(protocol.MaxDigestPairs * len(protocol.AppendPair(nil, protocol.Pair{}))),
		"keys":    base64(protocol.MaxDigestKeyBytes + 3*600 + protocol.SealedOverhead),
	} {
		if n > protocol.MaxMessageBytes*9/10 {
			t.Errorf("%s: %d bytes of the %d of a message", what, n, protocol.MaxMessageBytes)
		}
	}
}

// TestSpecificationNamesTheDigestExchange holds part 5 against the JSON tags and paths of the digest messages.
func TestSpecificationNamesTheDigestExchange(t *testing.T) {
	text := readSpecification(t)
	for limit, n := range map[string]int{
		"buckets of a digest": 1 << protocol.MaxDigestBits, "buckets listed by a request": protocol.MaxDigestBuckets,
		"pairs in an answer": protocol.MaxDigestPairs, "key hashes in a request": protocol.MaxDigestKeys,
		"keys in an answer before sealing unless it is one key": protocol.MaxDigestKeyBytes,
	} {
		if row := fmt.Sprintf("| %s | %d", limit, n); !strings.Contains(strings.ReplaceAll(text, ",", ""), row) {
			t.Errorf("there is no row %q", row)
		}
	}
	source, err := os.ReadFile("digest_message.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("json:\"([a-z_]+)").FindAllSubmatch(source, -1) {
		if !regexp.MustCompile(`\b` + string(m[1]) + `\b`).MatchString(text) {
			t.Errorf("member %s of a message is missing", m[1])
		}
	}
	for _, path := range []string{protocol.PathDigest, protocol.PathVerified} {
		if !strings.Contains(text, "`"+path+"`") {
			t.Errorf("path %s is missing", path)
		}
	}
}
