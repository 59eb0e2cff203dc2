package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// CauseCode is the stable code of a [Cause]. The pages of operations have a sentence for each in every language, and
// the receiver's README says what to do.
type CauseCode string

// The codes of causes: the first of record kinds, then of streams, and one of both.
const (
	CauseDeletes    CauseCode = "deletes"     // one change deletes more rows than the guard lets pass
	CauseEmpties    CauseCode = "empties"     // one change empties fields of more rows than the guard lets pass
	CauseLostFields CauseCode = "lost-fields" // a kind is read in full, and fields of more rows were emptied than the guard lets pass
	CauseGone       CauseCode = "gone"        // a kind was read in full, and more rows were missing than the guard lets pass
	CauseUnplanned  CauseCode = "unplanned"   // the agent's plan no longer has the kind
	CauseTimeline   CauseCode = "timeline"    // a batch is of another timeline than the checkpoint
	CausePositions  CauseCode = "positions"   // a cut does not go on from the checkpoint
	CauseUnreadable CauseCode = "unreadable"  // a batch cannot be opened or read
	CauseTwoAgents  CauseCode = "two-agents"  // two processes open the stream in turns with one key
	CausePerson     CauseCode = "person"      // a person decided it
)

// Cause is why a stream or a record kind waits: a code and its figures, which the pages make a sentence of. The zero
// Cause is of what does not wait. It holds no tenant data.
type Cause struct {
	Code    CauseCode         `json:"code"`              // empty in rows of programs that wrote a sentence only
	Rows    int64             `json:"rows,omitempty"`    // of the change, or missing
	Sweep   int64             `json:"sweep,omitempty"`   // rows of the portal that are deleted when a held sweep is released
	Seq     protocol.Seq      `json:"seq,omitempty"`     // of the batch
	From    protocol.Position `json:"from,omitempty"`    // of the cut
	To      protocol.Position `json:"to,omitempty"`      // of the cut
	At      protocol.Position `json:"at,omitempty"`      // of the checkpoint
	Refused bool              `json:"refused,omitempty"` // a person has refused the change since
	Note    string            `json:"note,omitempty"`    // a sentence in English, or what a person wrote
}

// String is the cause as one sentence in English without a full stop, for logs and answers to agents.
func (c Cause) String() string {
	switch c.Code {
	case CauseDeletes:
		return fmt.Sprintf("one change in the main system deletes %d rows", c.Rows)
	case CauseEmpties:
		return fmt.Sprintf("one change in the main system empties fields of %d rows", c.Rows)
	case CauseLostFields:
		return fmt.Sprintf("fields of %d rows and more are empty in the main system now", c.Rows)
	case CauseGone:
		return fmt.Sprintf("%d rows are no longer in the main system", c.Rows)
	case CauseUnplanned:
		return "no longer in the agent's plan"
	case CauseTimeline:
		return fmt.Sprintf("batch %d is of another timeline of the main system's database than the portal's", c.Seq)
	case CausePositions:
		return fmt.Sprintf("batch %d goes from position %d to %d, the portal is at %d", c.Seq, c.From, c.To, c.At)
	case CauseUnreadable:
		return fmt.Sprintf("batch %d cannot be read: %s", c.Seq, c.Note)
	case CauseTwoAgents:
		return "two running agents use the same key: stop one of them, then release the stream"
	case CausePerson:
		return strings.TrimSuffix("a person decided it: "+c.Note, ": ")
	}
	return c.Note
}

// Error makes a cause that holds a stream an error.
func (c Cause) Error() string { return c.String() }

// LogValue shows the code and the sentence.
func (c Cause) LogValue() slog.Value {
	return slog.GroupValue(slog.String("code", string(c.Code)), slog.String("sentence", c.String()))
}

// Value is how the database keeps a cause: JSON, or nothing.
func (c Cause) Value() (driver.Value, error) {
	if c == (Cause{}) {
		return "", nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode cause: %w", err)
	}
	return string(text), nil
}

// Scan reads what Value wrote, and the plain sentences of programs before there were codes.
func (c *Cause) Scan(value any) error {
	*c = Cause{}
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Errorf("read cause: it is a %T, want text", value)
	case !strings.HasPrefix(text, "{"):
		c.Note = text
		return nil
	}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return fmt.Errorf("read cause: %w", err)
	}
	return nil
}
