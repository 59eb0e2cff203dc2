package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/mainsystem"
)

// conform shows on an empty database of the main system's server that it is read as promised.
func conform(ctx context.Context, w io.Writer, cfg *config.Config, database string, asJSON bool) error {
	p := &promisePrinter{out: w, json: asJSON}
	begun := time.Now()
	if err := mainsystem.Conformance(ctx, cfg, database, p.print); err != nil {
		return err
	}
	if p.err != nil {
		return p.err
	}
	if !asJSON {
		fmt.Fprintf(w, "%d kept, %d skipped, %d broken, in %s\n", p.counts[mainsystem.Kept], p.counts[mainsystem.Skipped],
			p.counts[mainsystem.Broken], time.Since(begun).Round(time.Second))
	}
	if p.counts[mainsystem.Broken] > 0 {
		return errFindings
	}
	return nil
}

// promisePrinter prints one line per promise.
type promisePrinter struct {
	out    io.Writer
	json   bool
	counts map[mainsystem.Result]int
	err    error
}

func (p *promisePrinter) print(o mainsystem.Outcome) {
	if p.counts == nil {
		p.counts = map[mainsystem.Result]int{}
	}
	p.counts[o.Result]++
	if p.json {
		if err := json.NewEncoder(p.out).Encode(o); err != nil && p.err == nil {
			p.err = fmt.Errorf("print outcome: %w", err)
		}
		return
	}
	word := map[mainsystem.Result]string{mainsystem.Kept: "ok   ", mainsystem.Skipped: "skip ", mainsystem.Broken: "WRONG"}[o.Result]
	fmt.Fprintf(p.out, "%s %6.2fs %s\n", word, o.Took.Seconds(), o.Promise)
	if o.Detail != "" {
		fmt.Fprintf(p.out, "              %s\n", strings.ReplaceAll(o.Detail, "\n", "\n              "))
	}
}
