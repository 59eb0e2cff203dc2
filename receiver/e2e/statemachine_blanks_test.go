package e2e_test

import (
	"context"
	"strings"

	"pgregory.net/rapid"

	"lessor.dk/portalsync/receiver/store"
)

// townless reports whether a row of the employees' projection has no town.
func townless(row string) bool { return strings.HasSuffix(row, "|-") }

// heldForBlanks reports whether a person is asked if a kind's fields may be emptied.
func (c *company) heldForBlanks(ctx context.Context, t *rapid.T, kind string) bool {
	t.Helper()
	kinds, err := c.h.store.FleetKinds(ctx, c.id.Tenant, c.id.Stream)
	check(t, err)
	for _, k := range kinds {
		if k.Kind == kind {
			return k.Hold == store.HoldBlanks
		}
	}
	return false
}

// guard: while employees are held for blanks, none that the portal shows with a town is shown without it.
func (c *company) guard(ctx context.Context, t *rapid.T) {
	t.Helper()
	before := c.seen.towns
	c.seen.towns = nil
	if !c.heldForBlanks(ctx, t, "employee") {
		return
	}
	got, err := records(ctx, c.h.probe, projections[1].portal, c.id.Tenant, c.id.Stream)
	check(t, err)
	c.seen.towns = map[string]bool{}
	for key, row := range got {
		if before[key] && townless(row) {
			t.Errorf("guard: employee %s lost the town before a person released it", key)
		}
		c.seen.towns[key] = !townless(row)
	}
}

// fieldsAreEmptied takes the towns from more employees than the guard lets pass, by a cut or while they are read in full.
func (m *machine) fieldsAreEmptied(t *rapid.T) {
	check(t, m.c.main.bulk(m.ctx, rapid.IntRange(10, 30).Draw(t, "rows"), "tømmes"))
	check(t, m.c.main.moveIn(m.ctx))
	m.quiesce(t)
	check(t, m.c.main.moveOut(m.ctx, t))
	if rapid.Bool().Draw(t, "change data expires") {
		check(t, m.c.main.expire(m.ctx))
	}
	m.bothRun(t)
}
