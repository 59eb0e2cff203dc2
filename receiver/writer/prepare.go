package writer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
)

// prepared is a batch that was opened, decoded and staged, outside of any transaction and before it is known whether
// it will be applied.
type prepared struct {
	task     *task
	header   protocol.Header
	encoded  []byte
	sections []section
	results  []report.Result // verdicts of the main system among the rows
	missing  []string        // documents that rows name and nobody has sent
	broken   error           // the batch cannot be read, now or later; it never holds content
	err      error           // something could not be reached: try again
}

// section is a run of rows of one kind, in the batch's order.
type section struct {
	schema  *schema
	number  int // of the section in the batch
	stage   *store.Stage
	letters []store.DeadLetter // rows that no table can hold
	empties int                // rows that might blank a field
}

func (s *section) rows() int { return s.stage.Rows() + len(s.letters) }

// prepare opens, decodes and stages a batch and stores the documents that it names.
func (w *Writer) prepare(ctx context.Context, t *task) *prepared {
	p := &prepared{task: t}
	h := t.entry.Header()
	if p.encoded, p.broken = w.opener.OpenBatch(h, t.entry.Body); p.broken != nil {
		return p
	}
	names := map[string]struct{}{}
	err := w.decode(ctx, p, func(s *section, r *protocol.DecodedRow) error {
		return w.stage(p, s, r, names)
	})
	switch {
	case err != nil:
		p.fault(err)
	case p.header.StreamHeader != h:
		p.broken = errors.New("the batch says another place than it was sent under")
	default:
		p.missing, p.err = w.documents(ctx, h.Tenant, names)
	}
	return p
}

// errAway marks what may succeed when tried again.
type errAway struct{ error }

func (e errAway) Unwrap() error { return e.error }

// fault sorts an error of decode: one of the store passes, one of the batch stays.
func (p *prepared) fault(err error) {
	var away errAway
	if errors.As(err, &away) {
		p.err = err
		return
	}
	p.broken = err
}

// decode reads a batch and calls row for every row of its sections. It sets p.header and p.sections.
func (w *Writer) decode(ctx context.Context, p *prepared, row func(*section, *protocol.DecodedRow) error) error {
	tenant := p.task.entry.Tenant
	met := map[protocol.SchemaHash]*schema{}
	var lookUp error
	d, err := protocol.NewDecoder(p.encoded, func(hash protocol.SchemaHash) (*protocol.SectionSchema, bool) {
		s, err := w.schemas.find(ctx, w.store, tenant, hash)
		if err != nil {
			if lookUp = err; !errors.Is(err, errSchema) {
				lookUp = errAway{err}
			}
			return nil, false
		}
		met[hash] = s
		return s.SectionSchema, true
	})
	if err != nil {
		return err
	}
	p.header, p.sections = d.Header(), nil
	var r protocol.DecodedRow
	for {
		prepared, n, err := d.NextSection()
		if err == io.EOF { //nolint:errorlint // the decoder returns it bare
			return nil
		}
		if err != nil {
			return errors.Join(err, lookUp)
		}
		sc := met[prepared.Hash()]
		s := section{schema: sc, number: len(p.sections), stage: w.store.NewStage(sc.SectionSchema)}
		for range n {
			if err := d.Row(&r); err != nil {
				return err
			}
			if err := row(&s, &r); err != nil {
				return err
			}
		}
		p.sections = append(p.sections, s)
	}
}

// stage adds a row to its section's stage, or to its dead letters when no table can hold it.
func (w *Writer) stage(p *prepared, s *section, r *protocol.DecodedRow, names map[string]struct{}) error {
	err := s.document(r, names)
	if err == nil {
		err = add(s.stage, r)
	}
	var unfit *store.RowError
	if errors.As(err, &unfit) {
		letter, err := w.letter(p, s, r, unfit.Field+" "+unfit.Reason)
		if err != nil {
			return err
		}
		s.letters = append(s.letters, letter)
		return nil
	}
	if err != nil {
		return err
	}
	if r.Op == protocol.Insert || r.Op == protocol.Update {
		if s.schema.empties(r) {
			s.empties++
		}
		p.result(s, r)
	}
	return nil
}

// add stages a row by its operation. A row that no table can hold is a [*store.RowError].
func add(st *store.Stage, r *protocol.DecodedRow) error {
	switch r.Op {
	case protocol.Insert, protocol.Update:
		return st.Upsert(r)
	case protocol.Delete:
		return st.Delete(r)
	case protocol.Keep:
		st.Keep(r)
	}
	return nil
}

// document notes the documents that a row names.
func (s *section) document(r *protocol.DecodedRow, names map[string]struct{}) error {
	for _, i := range s.schema.documents {
		v := &r.Values[i]
		if v.IsNull() {
			continue
		}
		if !protocol.IsBlobName(v.S) {
			return &store.RowError{Kind: s.schema.Kind, Field: s.schema.Fields[i].Name, Reason: "is not the name of a document"}
		}
		names[v.S] = struct{}{}
	}
	return nil
}

// resultKind carries the main system's verdicts on reports.
const resultKind = "report_result"

// ticksPerSecond is the resolution of an instant in a record: 100 ns.
const ticksPerSecond = 10_000_000

// result notes a verdict: it moves the state of a report beside being a record.
func (p *prepared) result(s *section, r *protocol.DecodedRow) {
	if s.schema.Kind != resultKind {
		return
	}
	var v report.Result
	for i, f := range s.schema.Fields {
		switch cell := r.Values[i]; f.Name {
		case "report_id":
			v.ID = protocol.ReportID(cell.S)
		case "outcome":
			v.Outcome = cell.S
		case "reason":
			v.Reason = cell.S
		case "decided_at":
			v.DecidedAt = time.Unix(cell.N/ticksPerSecond, cell.N%ticksPerSecond*100).UTC()
		}
	}
	p.results = append(p.results, v)
}

// letter makes a dead letter of a row. The row is sealed to the receiver's own key as a batch of one.
func (w *Writer) letter(p *prepared, s *section, r *protocol.DecodedRow, reason string) (store.DeadLetter, error) {
	enc := protocol.NewEncoder()
	if err := enc.Row(s.schema.SectionSchema, &r.Row); err != nil {
		return store.DeadLetter{}, fmt.Errorf("encode dead letter of %s: %w", s.schema.Kind, err)
	}
	h := p.task.entry.Header()
	encoded, err := enc.Finish(protocol.Header{StreamHeader: h, CapturedAt: p.header.CapturedAt})
	if err != nil {
		return store.DeadLetter{}, fmt.Errorf("encode dead letter of %s: %w", s.schema.Kind, err)
	}
	sealed, err := w.sealer.SealBatch(w.keys.Keyset(), w.cfg.Now(), h, encoded)
	if err != nil {
		return store.DeadLetter{}, errAway{fmt.Errorf("seal dead letter of %s: %w", s.schema.Kind, err)}
	}
	return store.DeadLetter{
		Kind:      s.schema.Kind,
		Key:       protocol.KeyBytes(s.schema.SectionSchema, r.Values),
		KeyHash:   r.KeyHash,
		Reason:    reason,
		Sealed:    sealed,
		Version:   r.Version,
		CreatedAt: w.cfg.Now(),
	}, nil
}
