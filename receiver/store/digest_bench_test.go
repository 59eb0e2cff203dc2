package store_test

import (
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
)

// digestRows is how many rows the digests of the benchmark are of.
const digestRows = 1_000_000

// BenchmarkDigest measures what one question of the digest exchange costs on a kind of a million rows:
//
//	go test -run - -bench Digest -benchtime 3x ./receiver/store
func BenchmarkDigest(b *testing.B) {
	b.Run("postgres", func(b *testing.B) { digestsOf(b, testenv.PostgresFrom(b, "store", migrated)) })
	b.Run("sqlite", func(b *testing.B) { digestsOf(b, "sqlite:"+sqliteFile(b)) })
}

func digestsOf(b *testing.B, url string) {
	s := openStore(b, url)
	tenant, stream := benchStream(b, s)
	schema := protocoltest.Schema(b, "payslip_line")
	for n := range digestRows / protocol.MaxBatchRows {
		rows := benchRows(n, 0)
		st := s.NewStage(schema)
		for i := range rows {
			if err := st.Upsert(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
		err := s.InStream(b.Context(), tenant, stream, func(tx *store.StreamTx) error {
			_, err := tx.Apply(b.Context(), st, store.ApplyOptions{CapturedAt: 1, ReceivedAt: 2})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	of := store.DigestOf{Tenant: tenant, Stream: stream, Schema: schema}
	content := of
	content.Content = true
	bits := protocol.DigestBits(digestRows)
	for name, ask := range map[string]func() error{
		"sums":         func() error { _, err := s.DigestSums(b.Context(), of, bits); return err },
		"content sums": func() error { _, err := s.DigestSums(b.Context(), content, bits); return err },
		"one bucket": func() error {
			_, _, err := s.DigestPairs(b.Context(), of, bits, []int{7}, 0, protocol.MaxDigestPairs)
			return err
		},
		"a key": func() error {
			_, _, err := s.DigestKeys(b.Context(), of, []uint64{1}, 0, protocol.MaxDigestKeyBytes)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
