package plan

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"text/tabwriter"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Preview is exactly what would leave the main system on a first load. Its samples are payroll data: they
// are for the customer's own console and nothing else.
type Preview struct {
	Kinds []KindPreview
}

// KindPreview is one kind's part.
type KindPreview struct {
	Kind    string
	Tables  []string
	Filter  string
	Fields  []FieldPreview
	Rows    int64
	Bytes   int64        // of the encoded rows, before compression and sealing; about
	LeftOut []source.Bad // rows of which at most the key leaves until they are mended
	Twice   int64        // rows with the record key of an earlier one, of the first million
	Err     error        // why the kind cannot be read
	samples [][]string
}

// FieldPreview says where a field's values come from.
type FieldPreview struct {
	Name  string
	Class record.Class
	From  string // columns, expression or constant
}

// Sizes of a preview.
const (
	previewChunk   = 5000
	previewSamples = 3
	previewKeys    = 1_000_000
)

// Look reads every planned row as a first load would, one chunk at a time, and sends nothing.
func Look(ctx context.Context, p *Plan, src source.Source) (*Preview, error) {
	preview := &Preview{}
	for _, k := range p.Kinds {
		kp, err := look(ctx, p, k, src)
		if err != nil {
			return nil, fmt.Errorf("preview %s: %w", k.Record.Name, err)
		}
		preview.Kinds = append(preview.Kinds, *kp)
	}
	return preview, nil
}

func look(ctx context.Context, p *Plan, k *Kind, src source.Source) (*KindPreview, error) {
	kp := &KindPreview{Kind: k.Record.Name, Tables: []string{k.Table.String()}, Filter: k.Filter}
	for _, j := range k.Joins {
		kp.Tables = append(kp.Tables, j.Table.String())
	}
	for _, f := range k.Fields {
		kp.Fields = append(kp.Fields, FieldPreview{Name: f.Name, Class: f.Class, From: k.from(f)})
	}
	keys := newKeys(k)
	var after []byte
	for done := false; !done && kp.Err == nil; {
		tx, err := src.Begin(ctx)
		if err != nil {
			return nil, err
		}
		if kp.Err = tx.State().Kinds[kp.Kind].Err; kp.Err == nil {
			after, done, err = tx.Chunk(ctx, kp.Kind, after, previewChunk, func(r *protocol.Row) error {
				keys.add(r)
				kp.Bytes += sizeOf(r)
				if r.Op == protocol.Keep {
					return nil
				}
				if kp.Rows++; len(kp.samples) < previewSamples {
					kp.samples = append(kp.samples, k.spell(p, r))
				}
				return nil
			})
			kp.LeftOut = merge(kp.LeftOut, tx.Bad())
		}
		tx.Close()
		if err != nil {
			return nil, err
		}
	}
	kp.Twice = keys.twice
	return kp, nil
}

// from says in words where a field's values come from.
func (k *Kind) from(f Field) string {
	var from string
	switch {
	case f.Value != nil:
		return "a constant"
	case f.Expr != "":
		from = f.Expr
	default:
		from = k.TableOf(f.Column.Alias).String() + "." + f.Column.Column
	}
	if f.Map != nil {
		from += ", translated"
	}
	return from
}

func (k *Kind) spell(p *Plan, r *protocol.Row) []string {
	cells := make([]string, len(k.Fields))
	for i, f := range k.Fields {
		cells[i] = cell.Format(f.Field, r.Values[i], p.Timezone)
	}
	return cells
}

// leftOut says what becomes of rows with a bad value. The portal is told the key of a row that is there, so that it
// keeps what it has of it.
func leftOut(b source.Bad) string {
	if record.ByName(b.Kind).IsKey(b.Field) {
		return "stay at home"
	}
	return "leave with their key only"
}

func merge(have, more []source.Bad) []source.Bad {
next:
	for _, b := range more {
		for i := range have {
			if have[i].Kind == b.Kind && have[i].Field == b.Field && have[i].Reason.Error() == b.Reason.Error() {
				have[i].Rows += b.Rows
				continue next
			}
		}
		have = append(have, b)
	}
	return have
}

// rowBytes and cellBytes are about what a row and a cell cost besides their content.
const (
	rowBytes  = 4
	cellBytes = 2
)

func sizeOf(r *protocol.Row) int64 {
	size := rowBytes
	for _, v := range r.Values {
		size += cellBytes + len(v.S)
		for n := v.N; n > 255 || n < -255; n /= 256 {
			size++
		}
	}
	return int64(size)
}

// keys counts record keys that come a second time, by their hashes.
type keys struct {
	places []int
	seed   maphash.Seed
	seen   map[uint64]struct{}
	twice  int64
}

func newKeys(k *Kind) *keys {
	ks := &keys{seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	for i, f := range k.Fields {
		if k.Record.IsKey(f.Name) {
			ks.places = append(ks.places, i)
		}
	}
	return ks
}

func (ks *keys) add(r *protocol.Row) {
	if len(ks.seen) >= previewKeys {
		return
	}
	var h maphash.Hash
	h.SetSeed(ks.seed)
	for _, place := range ks.places {
		v := r.Values[place]
		fmt.Fprintf(&h, "%d %d %d %s;", v.Kind, v.N, len(v.S), v.S)
	}
	if _, twice := ks.seen[h.Sum64()]; twice {
		ks.twice++
	}
	ks.seen[h.Sum64()] = struct{}{}
}

// Rows and Bytes are the totals.
func (p *Preview) Rows() (rows, bytes int64) {
	for _, k := range p.Kinds {
		rows, bytes = rows+k.Rows, bytes+k.Bytes
	}
	return rows, bytes
}

// Print writes the preview for a person; samples are shown only if asked for.
func (p *Preview) Print(w io.Writer, samples bool) error {
	out := &printer{w: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	for _, k := range p.Kinds {
		k.print(out, samples)
	}
	rows, bytes := p.Rows()
	out.line("Together %d rows, about %d kB before compression. Nothing was sent.", rows, (bytes+999)/1000)
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.err
}

func (k *KindPreview) print(out *printer, samples bool) {
	out.line("%s: %d rows, about %d kB, from %s", k.Kind, k.Rows, (k.Bytes+999)/1000, strings.Join(k.Tables, ", "))
	if k.Filter != "" {
		out.line("  only rows where %s", k.Filter)
	}
	for i, f := range k.Fields {
		cells := []string{"  " + f.Name, f.Class.String(), f.From}
		for _, sample := range k.samples {
			if samples {
				cells = append(cells, sample[i])
			}
		}
		out.line("%s", strings.Join(cells, "\t"))
	}
	if k.Err != nil {
		out.line("  cannot be read: %v", k.Err)
	}
	for _, b := range k.LeftOut {
		out.line("  %d rows %s: %v", b.Rows, leftOut(b), b.Reason)
	}
	if k.Twice > 0 {
		out.line("  %d rows have the record key of another row", k.Twice)
	}
	out.line("")
}

// printer keeps the first error of several writes.
type printer struct {
	w   *tabwriter.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
