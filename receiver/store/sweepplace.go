package store

import (
	"encoding/json"
	"fmt"
	"sync"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// sweepPlace is how far a sweep is, as the kind's row keeps it: the part of the marks it compares with, and the last key
// it looked at. Part equals Parts when only marks are left.
type sweepPlace struct {
	Part  int   `json:"part"`
	Parts int   `json:"parts"`
	After []any `json:"after"` // nil at the beginning of a part
}

// parsePlace reads a place back, its key as the key's own types. The empty text is the beginning.
func parsePlace(kind, saved string) (sweepPlace, error) {
	if saved == "" {
		return sweepPlace{}, nil
	}
	var place struct {
		sweepPlace
		After []json.RawMessage `json:"after"`
	}
	k := record.ByName(kind)
	if err := json.Unmarshal([]byte(saved), &place); err != nil {
		return sweepPlace{}, fmt.Errorf("read the saved place of the sweep: %w", err)
	}
	if place.After == nil {
		return place.sweepPlace, nil
	}
	if len(place.After) != len(k.Key) {
		return sweepPlace{}, fmt.Errorf("the saved place of the sweep has %d fields, a key of %s has %d", len(place.After), kind, len(k.Key))
	}
	for i, raw := range place.After {
		var text string
		var number int64
		target := any(&number)
		if !isInteger(k.Fields[k.Field(k.Key[i])].Type) {
			target = &text
		}
		if err := json.Unmarshal(raw, target); err != nil {
			return sweepPlace{}, fmt.Errorf("read the saved place of the sweep: %w", err)
		}
		if target == any(&text) {
			place.sweepPlace.After = append(place.sweepPlace.After, text)
		} else {
			place.sweepPlace.After = append(place.sweepPlace.After, number)
		}
	}
	return place.sweepPlace, nil
}

// sweepID names a kind that is swept.
type sweepID struct {
	tenant protocol.TenantID
	stream protocol.StreamID
	kind   string
}

func (tx *StreamTx) sweepID(kind string) sweepID {
	return sweepID{tenant: tx.stream.Tenant, stream: tx.stream.ID, kind: kind}
}

// sweepCache keeps the marks that running sweeps have read, from one transaction to the next. It is only a memory of the
// database: a writer that starts in the middle of a sweep reads them again.
type sweepCache struct {
	most int // marks of one sweep in memory
	mu   sync.Mutex
	read map[sweepID]*cachedMarks
}

type cachedMarks struct {
	snapshot protocol.SnapshotID
	marks    *marks
}

// marks returns what is known of a part of a snapshot's marks. Who holds the stream's lock may use it.
func (c *sweepCache) marks(id sweepID, snapshot protocol.SnapshotID, part, parts int) *marks {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.read[id]; have != nil && have.snapshot == snapshot && have.marks.part == part && have.marks.parts == parts {
		return have.marks
	}
	if c.read == nil {
		c.read = map[sweepID]*cachedMarks{}
	}
	m := &marks{part: part, parts: parts}
	c.read[id] = &cachedMarks{snapshot: snapshot, marks: m}
	return m
}

// forget frees the marks of a sweep.
func (c *sweepCache) forget(id sweepID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.read, id)
}
