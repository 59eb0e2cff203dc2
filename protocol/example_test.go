package protocol_test

import (
	"fmt"
	"log"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// A cut of one row, from the agent's encoder to the writer's decoder.
func Example() {
	schema, err := protocol.NewSchema(record.ByName("shift"), []string{"name", "starts_at", "ends_at"})
	if err != nil {
		log.Fatal(err)
	}
	prepared := protocol.PrepareSchema(schema)

	const ticksPerHour = 3600 * 10_000_000
	e := protocol.NewEncoder()
	err = e.Row(prepared, &protocol.Row{Op: protocol.Insert, Version: 42, Values: []protocol.Value{
		protocol.TextValue("1"), protocol.TextValue("Morgen"), protocol.IntValue(6 * ticksPerHour), protocol.IntValue(14 * ticksPerHour),
	}})
	if err != nil {
		log.Fatal(err)
	}
	batch, err := e.Finish(protocol.Header{Lineage: "a", From: 41, To: 42, Last: true, Covers: []string{"shift"}})
	if err != nil {
		log.Fatal(err)
	}

	d, err := protocol.NewDecoder(batch, func(h protocol.SchemaHash) (*protocol.SectionSchema, bool) {
		return prepared, h == prepared.Hash()
	})
	if err != nil {
		log.Fatal(err)
	}
	section, rows, err := d.NextSection()
	if err != nil {
		log.Fatal(err)
	}
	var row protocol.DecodedRow
	if err := d.Row(&row); err != nil {
		log.Fatal(err)
	}
	fmt.Println(section.Kind, rows, "row at", row.Version, "with", len(row.Values), "cells:", row.Values[1])
	// Output: shift 1 row at 42 with 4 cells: [redacted]
}
