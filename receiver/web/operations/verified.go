package operations

import (
	"context"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Verified is the outcome of a record kind's last verification, as verified.html shows it. The zero value is of a kind
// that was never verified.
type Verified struct{ store.Verified }

// Differing is how many rows differed, as a number that has a plural.
func (v Verified) Differing() int { return int(v.Differences) }

func (p *Pages) verified(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (map[string]Verified, error) {
	all, err := p.fleet.Verified(ctx, tenant, stream)
	byKind := map[string]Verified{}
	for kind, v := range all {
		byKind[kind] = Verified{v}
	}
	return byKind, err
}
