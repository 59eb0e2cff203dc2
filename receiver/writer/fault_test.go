package writer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/writer"
)

func TestDeadLetters(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		b.first()
		b.loaded("department", 1, department("1", "Salg"))
		t.Run("a row without a value that it needs is set aside, sealed, and the rest is applied", func(t *testing.T) {
			b.t = t
			bad := department("2", "")
			delete(bad.cells, "name")
			h := b.header()
			b.send(h, []row{bad, department("3", "IT")})
			b.settle()
			b.departments("1=Salg 3=IT")
			b.at(h.Seq, h.To)
			letter := b.letters(1)[0]
			if letter.Kind != "department" || !strings.Contains(letter.Reason, "name") {
				t.Errorf("letter of %s: %s", letter.Kind, letter.Reason)
			}
			b.opens(letter.ID, h.StreamHeader)
		})
		t.Run("a newer row of the key supersedes the letter", func(t *testing.T) {
			b.t = t
			b.cut([]row{department("2", "Lager")})
			b.departments("1=Salg 2=Lager 3=IT")
			b.letters(0)
		})
		t.Run("rows that the database refuses are found one by one and set aside", func(t *testing.T) {
			b.t = t
			b.refuse()
			rows := many(50, func(no string) row { return department("x"+no, "A") })
			rows[7], rows[30] = department("x0007", "FORBUDT"), department("x0030", "FORBUDT")
			h := b.header()
			b.send(h, rows)
			b.settle()
			b.at(h.Seq, h.To)
			b.tenantRows("department", 3+48)
			b.letters(2)
			if strings.Contains(b.log.String(), "FORBUDT") {
				t.Errorf("the log holds content:\n%s", b.log)
			}
		})
	})
}

// refuse makes the database refuse departments of one name.
func (b *bench) refuse() {
	b.t.Helper()
	if b.driver == "pgx" {
		_, err := b.db.ExecContext(b.t.Context(), "ALTER TABLE rec_department ADD CHECK (name <> 'FORBUDT')")
		b.must(err)
		return
	}
	_, err := b.db.ExecContext(b.t.Context(), `CREATE TRIGGER refuse BEFORE INSERT ON rec_department
		WHEN NEW.name = 'FORBUDT' BEGIN SELECT RAISE(ABORT, 'refused'); END`)
	b.must(err)
}

// opens checks that a letter's row can be opened with the receiver's keys.
func (b *bench) opens(letter int64, place protocol.StreamHeader) {
	b.t.Helper()
	sealed, err := b.store.SealedLetter(b.t.Context(), b.agent.Tenant, b.agent.Stream, letter)
	b.must(err)
	o, err := protocol.NewOpener(b.keys.Sealing)
	b.must(err)
	encoded, err := o.OpenBatch(place, sealed)
	b.must(err)
	if !strings.Contains(string(encoded), "department") {
		b.t.Error("the letter is not the row")
	}
}

func TestDocuments(t *testing.T) {
	const content = "PDF"
	everywhere(t, func(t *testing.T, first *bench) {
		key, err := first.store.BlobKey(t.Context(), first.agent.Tenant)
		first.must(err)
		name := protocol.BlobName(key, []byte(content))
		part := func(b *bench, content string) {
			b.t.Helper()
			sealed, err := protocol.SealBlobPart(b.keys.Keyset(), time.Now(), b.agent.Tenant, name, 0, []byte(content))
			b.must(err)
			b.must(b.store.PutBlobPart(b.t.Context(), b.agent.Tenant, name, 0, 1, sealed))
		}
		b := first
		b.first()
		b.loaded("document", 1)
		b.loaded("department", 2)
		h := b.header()
		t.Run("a batch that names a missing document waits, and those behind it", func(t *testing.T) {
			b.t = t
			b.send(h, []row{document("1", name)})
			b.send(b.header(), []row{department("1", "Salg")})
			b.settle()
			b.at(h.Seq-1, h.From)
			b.queued(2)
		})
		t.Run("parts that do not make the document are dropped, to be sent again", func(t *testing.T) {
			b.t = t
			part(b, "noget andet")
			b.settle()
			b.at(h.Seq-1, h.From)
			if s, err := b.store.BlobState(t.Context(), b.agent.Tenant, name); err != nil || len(s.Parts) > 0 || s.Complete {
				t.Errorf("BlobState = %+v, %v, want nothing", s, err)
			}
		})
		t.Run("when the document is there they are applied in order", func(t *testing.T) {
			b.t = t
			part(b, content)
			b.settle()
			b.at(h.Seq+1, h.To+1)
			b.departments("1=Salg")
			b.queued(0)
			if got, err := b.store.Blob(t.Context(), b.agent.Tenant, name); err != nil || string(got) != content {
				t.Errorf("Blob = %d bytes, %v", len(got), err)
			}
		})
		t.Run("a waiting batch is dropped when its generation is over", func(t *testing.T) {
			b.t = t
			b.send(b.header(), []row{document("2", strings.Repeat("0", 64))})
			b.settle()
			b.queued(1)
			b.open()
			b.settle()
			b.queued(0)
		})
		t.Run("a text that is no document's name is set aside", func(t *testing.T) {
			b.t = t
			b.cut([]row{document("3", "../etc")})
			b.letters(1)
		})
	})
}

// deafQueue loses what it is told after the commit.
type deafQueue struct{ *queue.Queue }

func (deafQueue) Done(context.Context, ...queue.Entry) error { return errors.New("connection reset") }

func TestCrashBetweenCommitAndAcknowledgement(t *testing.T) {
	everywhere(t, func(_ *testing.T, b *bench) {
		b.first()
		b.loaded("department", 1, department("1", "Salg"))
		b.writer = b.newWriter(b.store, deafQueue{b.queue}, writer.Config{})
		h := b.header()
		b.send(h, []row{department("1", "ny")})
		b.step()
		b.departments("1=ny")
		b.queued(1)
		b.restart()
		b.settle()
		b.queued(0)
		b.at(h.Seq, h.To)
	})
}
