package relational

import (
	"context"
	"fmt"
	"slices"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Unexpected reads the record that a report expects and returns why it is not so, as a sentence, or nothing. The
// transaction must hold what it reads until the report is written. An error means that nothing is known.
func Unexpected(ctx context.Context, tx source.Tx, kinds []source.Kind, e protocol.Expected) (cause string, err error) {
	place := slices.IndexFunc(kinds, func(k source.Kind) bool { return k.Record.Name == e.Kind })
	if place < 0 {
		return fmt.Sprintf("the plan holds no %s any more", e.Kind), nil
	}
	k := kinds[place]
	if slices.Contains(k.Schema.Types, record.Document) {
		return "a record with a document cannot be compared", nil
	}
	cells, err := protocol.ParseKey(k.Schema, e.Key)
	if err != nil {
		return "the record is of another plan: " + err.Error(), nil //nolint:nilerr // it will be so at every try
	}
	key := make([]protocol.Value, len(cells))
	for n, field := range k.Schema.Key {
		key[slices.Index(k.Record.Key, k.Schema.Fields[field].Name)] = cells[n]
	}
	cause = "the record is not in the main system any more"
	err = tx.ByKey(ctx, e.Kind, [][]protocol.Value{key}, func(r *protocol.Row) error {
		if r.Op == protocol.Delete {
			return nil
		}
		cause = "the record has been changed in the main system since it was shown"
		// A row that may not be sent is not the one that the portal showed.
		pair, err := new(protocol.Hasher).Pair(k.Schema, r)
		if err == nil && r.Op == protocol.Update && pair.Row == e.RowHash {
			cause = ""
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look at the record of a report: %w", err)
	}
	return cause, nil
}
