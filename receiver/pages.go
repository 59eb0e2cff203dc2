package main

import (
	"context"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/web"
	"lessor.dk/portalsync/receiver/web/ui"
)

// pages returns the portal, and keeps its sessions tidy until ctx ends.
func (r *receiver) pages(ctx context.Context, g *errgroup.Group) (http.Handler, error) {
	portal, err := web.New(r.store, web.Config{
		Hosts: hosts(r.cfg.Names), Proxies: r.cfg.TrustedProxies, Wake: r.wake, Log: r.log, Limits: limits(r.cfg.Freshness),
	})
	if err != nil {
		return nil, err
	}
	g.Go(func() error { return portal.Run(ctx) })
	return portal.Handler(), nil
}

func limits(f config.Freshness) ui.Limits {
	return ui.Limits{Offline: f.Offline, Late: f.Late, DataLate: f.DataLate, DataStale: f.DataStale}
}

// hosts returns the names without their ports, as the portal compares them.
func hosts(names []string) []string {
	var out []string
	for _, name := range names {
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		out = append(out, name)
	}
	return out
}

// wake tells whoever holds the stream's long poll that a report waits. It is a courtesy: without it the agent
// finds the report at its next check-in.
func (r *receiver) wake(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) {
	if err := r.queue.Wake(ctx, tenant, stream); err != nil {
		r.log.WarnContext(ctx, "agent not woken for a report", "tenant", int64(tenant), "stream", int64(stream), "err", err)
	}
}
