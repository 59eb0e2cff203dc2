package sourcetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
)

var chunkPromises = map[string]func(*mainSystem){
	"chunks of any size together are the kind, each row once": func(m *mainSystem) {
		moreEmployees(m)
		tx := m.begin()
		whole, err := all(m.Context(), m.source, tx, "employee", 1000)
		if err != nil || len(whole) < 40 {
			m.Fatalf("%d employees, %v", len(whole), err)
		}
		for _, limit := range []int{1, 2, 7, len(whole), len(whole) + 1} {
			got, err := all(m.Context(), m.source, tx, "employee", limit)
			if diff := cmp.Diff(whole, got); err != nil || diff != "" {
				m.Errorf("limit %d: %v (-whole +chunks)\n%s", limit, err, diff)
			}
		}
	},
	"a load goes on after a restart from its cursor": func(m *mainSystem) {
		moreEmployees(m)
		seen := view{}
		var after []byte
		for done := false; !done; {
			m.source = m.open(planText)
			tx := m.begin()
			k := kindOf(m.source, "employee")
			var err error
			after, done, err = tx.Chunk(m.Context(), "employee", after, 9, func(r *protocol.Row) error {
				key, row := spell(k, r)
				if _, twice := seen[key]; twice {
					return fmt.Errorf("%s is read twice", key)
				}
				seen[key] = row
				return nil
			})
			if err != nil {
				m.Fatal(err)
			}
			tx.Close()
			m.exec(`UPDATE "Medarbejder" SET "Intern" = 'x' WHERE "Firma" = 1`)
		}
		tx := m.begin()
		whole, err := all(m.Context(), m.source, tx, "employee", 1000)
		if diff := cmp.Diff(whole, seen); err != nil || diff != "" {
			m.Errorf("%v (-whole +pieces)\n%s", err, diff)
		}
	},
	"an empty table is done at once": func(m *mainSystem) {
		m.exec(`DELETE FROM "Sats"`)
		tx := m.begin()
		last, done, err := tx.Chunk(m.Context(), "pay_rate", nil, 10, func(*protocol.Row) error { return errors.New("a row") })
		if err != nil || !done || len(last) > 0 {
			m.Errorf("Chunk = %v, %t, %v, want done", last, done, err)
		}
	},
	"a kind that ends exactly at the limit ends in the next chunk": func(m *mainSystem) {
		tx := m.begin()
		none := func(*protocol.Row) error { return nil }
		last, done, err := tx.Chunk(m.Context(), "department", nil, 2, none)
		if err != nil {
			m.Fatal(err)
		}
		if !done {
			if again, done, err := tx.Chunk(m.Context(), "department", last, 2, none); err != nil || !done || string(again) != string(last) {
				m.Errorf("Chunk = %v, %t, %v, want done at the same cursor", again, done, err)
			}
		}
	},
	"a damaged cursor is an error": func(m *mainSystem) {
		tx := m.begin()
		none := func(*protocol.Row) error { return nil }
		last, _, err := tx.Chunk(m.Context(), "employee", nil, 1, none)
		if err != nil {
			m.Fatal(err)
		}
		for i := range last {
			damaged := append([]byte(nil), last...)
			damaged[i] ^= 0x41
			if _, _, err := tx.Chunk(m.Context(), "employee", damaged, 1, none); err == nil {
				m.Errorf("byte %d damaged: no error", i)
			}
			if _, _, err := tx.Chunk(m.Context(), "employee", last[:i], 1, none); err == nil && i > 0 {
				m.Errorf("cut to %d bytes: no error", i)
			}
		}
	},
	"cuts and chunks read while others write reproduce the database": hammer,
}

func moreEmployees(m *mainSystem) {
	for firm := range 3 {
		for nr := range 15 {
			m.exec(fmt.Sprintf(`INSERT INTO "Medarbejder" ("Firma", "Nr", "Navn", "Status", "AfdNr", "AdrNr", "Intern") VALUES (%d, 'N%d', 'Prøve', 'A', 1, 10, NULL)`, firm-1, nr*7))
		}
	}
}

// Sizes of the hammer.
const (
	hammerWriters = 3
	hammerWrites  = 150
	hammerChunk   = 7
)

// hammer lets several writers change everything while a reader takes cuts and, between them, chunks, each in
// a transaction of its own as capture does. Applied in that order they must give the database as it is at
// every cut after the load, and at the end.
func hammer(m *mainSystem) {
	moreEmployees(m)
	var writers sync.WaitGroup
	for w := range hammerWriters {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(w)))
			for range hammerWrites {
				if err := m.Exec(randomWrite(random)); err != nil {
					m.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	defer writers.Wait()
	finished := make(chan struct{})
	go func() { writers.Wait(); close(finished) }()

	portal := map[string]view{}
	cursors := map[string][]byte{}
	loaded := map[string]bool{}
	for _, kind := range kinds {
		portal[kind] = view{}
	}
	read := m.state().Position
	for last := false; !last; {
		select {
		case <-finished:
			last = len(loaded) == len(kinds)
		default:
		}
		read = m.hammerCut(portal, loaded, read)
		for _, kind := range kinds {
			if !loaded[kind] {
				m.hammerChunk(portal[kind], kind, cursors, loaded, &read, portal)
			}
		}
		if m.Failed() {
			break
		}
	}
}

// hammerCut applies a cut and compares every kind that is loaded.
func (m *mainSystem) hammerCut(portal map[string]view, loaded map[string]bool, from protocol.Position) protocol.Position {
	tx := m.begin()
	defer tx.Close()
	for _, kind := range kinds {
		c, err := changes(m.Context(), m.source, tx, kind, from)
		if err != nil {
			m.Fatal(err)
		}
		apply(portal[kind], c)
		if !loaded[kind] {
			continue
		}
		now, err := all(m.Context(), m.source, tx, kind, 1000)
		if diff := cmp.Diff(now, portal[kind]); err != nil || diff != "" {
			m.Fatalf("%s at %d: %v (-source +applied)\n%s", kind, tx.State().Position, err, diff)
		}
	}
	return tx.State().Position
}

// hammerChunk applies one chunk. It is read at a later state than the cut before it; the next cut brings
// whatever changed in between again.
func (m *mainSystem) hammerChunk(v view, kind string, cursors map[string][]byte, loaded map[string]bool, read *protocol.Position, portal map[string]view) {
	tx := m.begin()
	defer tx.Close()
	k := kindOf(m.source, kind)
	last, done, err := tx.Chunk(m.Context(), kind, cursors[kind], hammerChunk, func(r *protocol.Row) error {
		key, row := spell(k, r)
		v[key] = row
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	if !done && string(last) == string(cursors[kind]) {
		m.Fatalf("%s: the cursor stands still", kind)
	}
	cursors[kind] = last
	if done {
		*read = m.hammerCut(portal, loaded, *read)
		loaded[kind] = true
	}
}

// randomWrite returns one change, most of them to few rows so that they meet.
func randomWrite(r *rand.Rand) string {
	firm, nr, small := r.IntN(3)-1, r.IntN(15)*7, r.IntN(4)
	status := string("AAPX"[r.IntN(4)])
	statements := []string{
		`UPDATE "Medarbejder" SET "Navn" = 'N%[4]d', "Status" = '%[5]s' WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d'`,
		`DELETE FROM "Medarbejder" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d'`,
		`INSERT INTO "Medarbejder" ("Firma", "Nr", "Navn", "Status", "AfdNr", "AdrNr", "Intern") SELECT %[1]d, 'N%[2]d', 'Ny', '%[5]s', 1, %[3]d + 10, NULL
		 WHERE NOT EXISTS (SELECT 1 FROM "Medarbejder" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d')`,
		`UPDATE "Medarbejder" SET "Firma" = %[1]d WHERE "Nr" = 'N%[2]d' AND "Firma" = 0
		 AND NOT EXISTS (SELECT 1 FROM "Medarbejder" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d')`,
		`UPDATE "Medarbejder" SET "AdrNr" = %[3]d + 10 WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d'`,
		`UPDATE "Bynavn" SET "By navn" = 'B%[4]d' WHERE "PostNr" = 4000`,
		`UPDATE "Adresse" SET "PostNr" = 4600 - 600 * (%[3]d / 2) WHERE "AdrNr" = %[3]d + 10`,
		`DELETE FROM "Telefon" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d'`,
		`INSERT INTO "Telefon" ("Firma", "Nr", "Slags", "Tal") SELECT %[1]d, 'N%[2]d', %[3]d, '%[4]d'
		 WHERE NOT EXISTS (SELECT 1 FROM "Telefon" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d' AND "Slags" = %[3]d)`,
		`UPDATE "Afdeling" SET "Navn" = 'A%[4]d' WHERE "Nr" = %[3]d`,
		`INSERT INTO "Sats" ("Firma", "Nr", "Fra", "Kr") SELECT %[1]d, 'N%[2]d', '2026-0%[6]d-01', %[4]d
		 WHERE NOT EXISTS (SELECT 1 FROM "Sats" WHERE "Firma" = %[1]d AND "Nr" = 'N%[2]d' AND "Fra" = '2026-0%[6]d-01')`,
		`DELETE FROM "Sats" WHERE "Firma" = %[1]d AND "Fra" = '2026-0%[6]d-01'`,
	}
	return fmt.Sprintf(statements[r.IntN(len(statements))], firm, nr, small, r.IntN(1000), status, r.IntN(9)+1)
}
