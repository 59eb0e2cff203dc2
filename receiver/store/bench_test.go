package store_test

import (
	"bytes"
	"database/sql"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/protocol/record"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
)

// BenchmarkApply measures batches of 5,000 payslip lines through the store, in turns with the same rows upserted by the
// shortest program there is: pgx with text COPY + ON CONFLICT, or multi-row upserts in SQLite. The ratio is what counts:
//
//	go test -run - -bench Apply -benchtime 40x ./receiver/store
func BenchmarkApply(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		url := testenv.PostgresFrom(b, "store", migrated)
		compare(b, url, directPostgres(b, url))
	})
	b.Run("sqlite", func(b *testing.B) {
		file := sqliteFile(b)
		compare(b, "sqlite:"+file, directSQLite(b, file))
	})
}

// compare inserts, updates and repeats b.N batches, one through the store, one directly, and so on.
func compare(b *testing.B, url string, direct func(testing.TB, []protocol.DecodedRow)) {
	s := openStore(b, url)
	tenant, stream := benchStream(b, s)
	schema := protocoltest.Schema(b, "payslip_line")
	through := func(rows []protocol.DecodedRow) {
		st := s.NewStage(schema)
		for i := range rows {
			if err := st.Upsert(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
		err := s.InStream(b.Context(), tenant, stream, func(tx *store.StreamTx) error {
			if _, err := tx.Apply(b.Context(), st, store.ApplyOptions{CapturedAt: 1, ReceivedAt: 2}); err != nil {
				return err
			}
			return tx.SetCheckpoint(b.Context(), store.Checkpoint{AppliedSeq: tx.Stream().AppliedSeq + 1, AppliedAt: 3, Rows: int64(len(rows))})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for hash, phase := range []string{"insert", "update", "unchanged"} {
		b.Run(phase, func(b *testing.B) {
			var spent, spentDirect time.Duration
			n := 0
			for b.Loop() {
				rows := benchRows(n, uint64(min(hash, 1)))
				begun := time.Now()
				through(rows)
				middle := time.Now()
				direct(b, rows)
				spent, spentDirect = spent+middle.Sub(begun), spentDirect+time.Since(middle)
				n++
			}
			b.ReportMetric(float64(n)*protocol.MaxBatchRows/spent.Seconds(), "rows/s")
			b.ReportMetric(spentDirect.Seconds()/spent.Seconds(), "of-direct")
		})
	}
}

func benchStream(b *testing.B, s *store.Store) (protocol.TenantID, protocol.StreamID) {
	b.Helper()
	tenant, err := s.CreateTenant(b.Context(), "bench", "Vestkystens Savværk A/S")
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	if err := s.CreateInvite(b.Context(), store.Invite{ID: "i", Tenant: tenant, Secret: []byte("s"), ExpiresAt: now.Add(time.Hour)}); err != nil {
		b.Fatal(err)
	}
	a, err := s.Enrol(b.Context(), "i", now, func(store.Invite) error { return nil }, store.NewAgent{Key: "k", SignKey: []byte("k"), SealKey: []byte("k")})
	if err != nil {
		b.Fatal(err)
	}
	opening := store.StreamOpening{Agent: a.Agent, Now: now, Schemas: []protocol.Schema{{Kind: "payslip_line"}}}
	if _, _, err := s.OpenStream(b.Context(), tenant, a.Stream, opening); err != nil {
		b.Fatal(err)
	}
	err = s.InStream(b.Context(), tenant, a.Stream, func(tx *store.StreamTx) error {
		return tx.SetKind(b.Context(), protocol.KindStatus{Kind: "payslip_line", State: protocol.KindOK}, store.Cause{})
	})
	if err != nil {
		b.Fatal(err)
	}
	return tenant, a.Stream
}

// benchRows returns a batch of its own keys with that row hash.
func benchRows(batch int, hash uint64) []protocol.DecodedRow {
	raw := protocoltest.PayslipLines(protocol.MaxBatchRows, 1)
	rows := make([]protocol.DecodedRow, len(raw))
	for i, r := range raw {
		r.Values[0] = protocol.TextValue(strconv.Itoa(100000+batch) + r.Values[0].S)
		rows[i] = protocol.DecodedRow{Row: r, KeyHash: uint64(batch*len(raw)+i+1) * 0x9E3779B97F4A7C15, RowHash: hash}
	}
	return rows
}

// directTable is the direct programs' copy of the table: in one table the tenant with the higher number would append to
// the index and the other split its pages.
const directTable = "direct_payslip_line"

// fieldsOf names the columns of payslip_line as the direct programs write them.
func fieldsOf() (names []string, key string) {
	k := record.ByName("payslip_line")
	for _, f := range k.Fields {
		names = append(names, f.Name)
	}
	return append(names, "key_hash", "row_hash", "source_version"), strings.Join(k.Key, ", ")
}

func directConflict(names []string, key string) string {
	var set []string
	for _, name := range append(names, "captured_at", "received_at") {
		set = append(set, name+" = excluded."+name)
	}
	return " ON CONFLICT (tenant_id, stream_id, " + key + ") DO UPDATE SET " + strings.Join(set, ", ") + " WHERE r.row_hash <> excluded.row_hash"
}

func directPostgres(b *testing.B, url string) func(testing.TB, []protocol.DecodedRow) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(b.Context()) })
	names, key := fieldsOf()
	columns := strings.Join(names, ", ")
	if _, err := conn.Exec(b.Context(), "CREATE TABLE "+directTable+" (LIKE rec_payslip_line INCLUDING ALL)"); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(b.Context(), "CREATE TEMP TABLE direct ON COMMIT DELETE ROWS AS SELECT "+columns+" FROM rec_payslip_line WITH NO DATA"); err != nil {
		b.Fatal(err)
	}
	upsert := "INSERT INTO " + directTable + " AS r (tenant_id, stream_id, " + columns + ", captured_at, received_at) SELECT 1, 1, " + columns + ", 1, 2 FROM direct" + directConflict(names, key)
	var text []byte
	return func(tb testing.TB, rows []protocol.DecodedRow) {
		text = text[:0]
		for _, r := range rows {
			for _, v := range r.Values {
				if v.IsNull() {
					text = append(text, `\N`...)
				} else if v.Kind == protocol.Int {
					text = strconv.AppendInt(text, v.N, 10)
				}
				text = append(text, v.S...)
				text = append(text, '\t')
			}
			text = append(strconv.AppendInt(text, int64(r.KeyHash), 10), '\t')
			text = append(strconv.AppendInt(text, int64(r.RowHash), 10), '\t')
			text = append(strconv.AppendInt(text, int64(r.Version), 10), '\n')
		}
		ctx := tb.Context()
		tx, err := conn.Begin(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(text), "COPY direct FROM STDIN"); err != nil {
			tb.Fatal(err)
		}
		if _, err := tx.Exec(ctx, upsert); err != nil {
			tb.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			tb.Fatal(err)
		}
	}
}

const directRows = 50

func directSQLite(b *testing.B, file string) func(testing.TB, []protocol.DecodedRow) {
	b.Helper()
	db, err := sql.Open("sqlite", file+"?_busy_timeout=10000&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	var table string
	if err := db.QueryRowContext(b.Context(), "SELECT sql FROM sqlite_schema WHERE name = 'rec_payslip_line'").Scan(&table); err != nil {
		b.Fatal(err)
	}
	if _, err := db.ExecContext(b.Context(), strings.Replace(table, "rec_payslip_line", directTable, 1)); err != nil {
		b.Fatal(err)
	}
	names, key := fieldsOf()
	one := "(1, 1, 1, 2" + strings.Repeat(", ?", len(names)) + ")"
	upsert := "INSERT INTO " + directTable + " AS r (tenant_id, stream_id, captured_at, received_at, " + strings.Join(names, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(one+", ", directRows), ", ") + directConflict(names, key)
	return func(tb testing.TB, rows []protocol.DecodedRow) {
		tx, err := db.BeginTx(tb.Context(), nil)
		if err != nil {
			tb.Fatal(err)
		}
		stmt, err := tx.PrepareContext(tb.Context(), upsert)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = stmt.Close() }()
		for at := 0; at < len(rows); at += directRows {
			var args []any
			for _, r := range rows[at : at+directRows] {
				for _, v := range r.Values {
					var arg any = v.S
					if v.IsNull() {
						arg = nil
					} else if v.Kind == protocol.Int {
						arg = v.N
					}
					args = append(args, arg)
				}
				args = append(args, int64(r.KeyHash), int64(r.RowHash), int64(r.Version))
			}
			if _, err := stmt.ExecContext(tb.Context(), args...); err != nil {
				tb.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			tb.Fatal(err)
		}
	}
}
