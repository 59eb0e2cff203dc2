// Package operations holds the pages of LESSOR's operations: the agents, their state with its cause, and what
// waits for a person. They show synchronization metadata and no tenant data.
package operations

import (
	"context"
	"embed"
	"log/slog"
	"net/http"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

//go:embed *.html
var files embed.FS

// Set returns the pages of this package.
func Set() ui.Set {
	return ui.Set{Files: files, Parts: []string{"cause.html", "stale.html", "verified.html"}, Pages: []ui.Page{
		{Name: "agents", Data: Agents{}},
		{Name: "agent", Data: Agent{}},
		{Name: "decide", Data: Decide{}},
	}}
}

// Fleet is what the pages read, and the decisions they take.
type Fleet interface {
	Fleet(ctx context.Context) ([]store.FleetAgent, error)
	FleetAgent(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID) (store.FleetAgent, error)
	FleetKinds(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) ([]store.FleetKind, error)
	Verified(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (map[string]store.Verified, error)
	ReleaseStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) error
	ReleaseKind(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kind string) error
	SuspendKind(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kind string, cause store.Cause) error
}

// Config tunes the Pages. Log is needed.
type Config struct {
	Log *slog.Logger
}

// Pages are the pages of operations.
type Pages struct {
	ui    *ui.UI
	fleet Fleet
	view  *fleetView
	log   *slog.Logger
}

// New returns the pages of operations.
func New(u *ui.UI, fleet Fleet, cfg Config) *Pages {
	return &Pages{ui: u, fleet: fleet, view: &fleetView{read: fleet.Fleet, now: u.Now}, log: cfg.Log}
}

// Routes returns the addresses of the pages of operations.
func (p *Pages) Routes() []ui.Route {
	return []ui.Route{
		{Method: http.MethodGet, Path: "/operations", Access: ui.Operations, Handle: p.agents},
		{Method: http.MethodGet, Path: "/operations/agents/:tenant/:agent", Access: ui.Operations, Handle: p.agent},
		{Method: http.MethodGet, Path: "/operations/agents/:tenant/:agent/kinds/:kind/:decision", Access: ui.Operations, Handle: p.confirm},
		{Method: http.MethodPost, Path: "/operations/agents/:tenant/:agent/kinds/:kind/:decision", Access: ui.Operations, Handle: p.decide},
		{Method: http.MethodGet, Path: "/operations/agents/:tenant/:agent/stream/release", Access: ui.Operations, Handle: p.confirmStream},
		{Method: http.MethodPost, Path: "/operations/agents/:tenant/:agent/stream/release", Access: ui.Operations, Handle: p.releaseStream},
	}
}

// refreshSeconds is how often the pages bring themselves up to date.
const refreshSeconds = 5
