package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// PreviewConfig says what of a preview to show.
type PreviewConfig struct {
	Kind string // one record kind; empty means all
	Rows int    // rows shown per kind; negative means every one
}

// previewChunk is the number of rows read in one piece.
const previewChunk = 1000

// Preview reads everything the plan lets out, in one transaction, and writes to w the fields with their
// class, the first rows as they would leave, and how many rows and bytes that is. Nothing is sent.
func (d *Doctor) Preview(ctx context.Context, w io.Writer, cfg PreviewConfig) (err error) {
	p, err := plan.Load(d.cfg.Plan)
	if err != nil {
		return err
	}
	if cfg.Kind != "" && p.Kind(cfg.Kind) == nil {
		return fmt.Errorf("plan %s plans no record kind %q", d.cfg.Plan, cfg.Kind)
	}
	src, err := sqlite.Open(d.cfg.MainSystem.SQLite, p, sqlite.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	tx, err := src.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Close()) }()
	pv := &preview{w: w, plan: p, tx: tx, rows: cfg.Rows, enc: protocol.NewEncoder()}
	for _, k := range src.Kinds() {
		if cfg.Kind != "" && k.Record.Name != cfg.Kind {
			continue
		}
		if err := pv.kind(ctx, k); err != nil {
			return fmt.Errorf("preview %s: %w", k.Record.Name, err)
		}
	}
	fmt.Fprintf(w, "Altogether %d rows, %d bytes of rows and %d bytes of documents before compression. Nothing was sent.\n",
		pv.total.rows, pv.total.bytes, pv.total.documents)
	return nil
}

type preview struct {
	w     io.Writer
	plan  *plan.Plan
	tx    source.Tx
	rows  int
	enc   *protocol.Encoder
	total amount
}

// amount is how much would leave; documents travel apart from rows.
type amount struct{ rows, bytes, documents int64 }

func (p *preview) kind(ctx context.Context, k source.Kind) error {
	if err := p.tx.State().Kinds[k.Record.Name].Err; err != nil {
		fmt.Fprintf(p.w, "%s: nothing would leave: %v\n\n", k.Record.Name, err)
		return nil
	}
	fmt.Fprintf(p.w, "%s, from table %s\n", k.Record.Name, p.plan.Kind(k.Record.Name).Table)
	for _, f := range k.Schema.Fields {
		field := k.Record.Fields[k.Record.Field(f.Name)]
		fmt.Fprintf(p.w, "  %-20s %-9s %s\n", f.Name, f.Type, field.Class)
	}
	table := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	var sum amount
	var after []byte
	for done := false; !done; {
		var err error
		after, done, err = p.tx.Chunk(ctx, k.Record.Name, after, previewChunk, func(r *protocol.Row) error {
			if p.rows < 0 || sum.rows < int64(p.rows) {
				p.show(table, k, r)
			}
			sum.rows++
			return p.count(k, r, &sum)
		})
		if err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print rows: %w", err)
	}
	p.total.rows += sum.rows
	p.total.bytes += sum.bytes
	p.total.documents += sum.documents
	fmt.Fprintf(p.w, "  %d rows, %d bytes", sum.rows, sum.bytes)
	if sum.documents > 0 {
		fmt.Fprintf(p.w, ", %d bytes of documents", sum.documents)
	}
	fmt.Fprint(p.w, "\n\n")
	return nil
}

// count adds what the row would take up on its way, as the encoder of batches says.
func (p *preview) count(k source.Kind, r *protocol.Row, sum *amount) error {
	for i, t := range k.Schema.Types {
		if t == record.Document {
			sum.documents += int64(len(r.Values[i].S))
			r.Values[i] = protocol.TextValue(protocol.BlobName(nil, nil)) // some name of that length travels with the row
		}
	}
	before := p.enc.Size()
	err := p.enc.Row(k.Schema, r)
	if errors.Is(err, protocol.ErrFull) {
		p.enc, before = protocol.NewEncoder(), 0
		err = p.enc.Row(k.Schema, r)
	}
	sum.bytes += int64(p.enc.Size() - before)
	return err
}

func (p *preview) show(w io.Writer, k source.Kind, r *protocol.Row) {
	for i, v := range r.Values {
		fmt.Fprintf(w, "\t%s", p.spell(k.Record.Fields[k.Record.Field(k.Schema.Fields[i].Name)], v))
	}
	fmt.Fprintln(w)
}

// spell writes a cell as a person reads it.
func (p *preview) spell(f record.Field, v protocol.Value) string {
	if v.IsNull() {
		return "-"
	}
	switch f.Type {
	case record.Bool:
		return strconv.FormatBool(v.N != 0)
	case record.Decimal:
		return spellDecimal(v.N, f.Scale)
	case record.Date:
		return time.Unix(v.N*86400, 0).UTC().Format(time.DateOnly)
	case record.Time:
		return time.Unix(0, v.N*100).UTC().Format("15:04:05.9999999")
	case record.Instant:
		return time.UnixMicro(v.N / 10).In(p.plan.Timezone).Format(time.RFC3339)
	case record.Document:
		return fmt.Sprintf("(%d bytes)", len(v.S))
	case record.Bytes:
		return fmt.Sprintf("%x", v.S)
	case record.Int:
		return strconv.FormatInt(v.N, 10)
	case record.Text:
		return strconv.QuoteToGraphic(v.S)
	}
	return "?"
}

func spellDecimal(n int64, scale int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := fmt.Sprintf("%0*d", scale+1, n)
	if scale == 0 {
		return sign + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}
