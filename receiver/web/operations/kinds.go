package operations

import (
	"cmp"
	"context"
	"slices"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Kind is one record kind of an agent's page.
type Kind struct {
	store.FleetKind
	Why      Cause
	Verified Verified
}

// Verified is the outcome of a record kind's last verification, as verified.html shows it. The zero value is of a kind
// that was never verified.
type Verified struct{ store.Verified }

// Differing is how many rows differed, as a number that has a plural.
func (v Verified) Differing() int { return int(v.Differences) }

func (p *Pages) kinds(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kinds []store.FleetKind, l *ui.Locale) ([]Kind, error) {
	verified, err := p.fleet.Verified(ctx, tenant, stream)
	if err != nil {
		return nil, err
	}
	out := make([]Kind, len(kinds))
	for i, k := range kinds {
		out[i] = Kind{FleetKind: k, Why: causeOfKind(k, l), Verified: Verified{verified[k.Kind]}}
	}
	// What waits for a person comes first, also on a phone.
	slices.SortStableFunc(out, func(x, y Kind) int { return cmp.Compare(y.waits(), x.waits()) })
	return out, nil
}

// waits is 1 for a kind that waits for a person.
func (k Kind) waits() int {
	if k.Held || k.State == protocol.KindSuspended {
		return 1
	}
	return 0
}
