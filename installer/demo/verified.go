package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// verified has the agent hold every record kind of the portal against the main system, through a gate that counts what
// that costs on the wire.
func (p *proof) verified(ctx context.Context) (string, error) {
	g, err := openGate(ctx)
	if err != nil {
		return "", err
	}
	figure, err := p.verifiedThrough(ctx, g)
	return figure, errors.Join(err, p.capturing.Stop(), g.close(), p.settleAgent(""), p.startAgent())
}

func (p *proof) verifiedThrough(ctx context.Context, g *gate) (string, error) {
	if err := errors.Join(p.capturing.Stop(), p.settleAgent(g.URL()), p.startAgent()); err != nil {
		return "", err
	}
	if _, err := p.loaded(ctx); err != nil {
		return "", err
	}
	up, down := g.up.Load(), g.down.Load()
	out, err := p.agent.Run(ctx, "", "verify", "--json")
	up, down = g.up.Load()-up, g.down.Load()-down
	figure, verr := outcome(out)
	return fmt.Sprintf("%s, %d kB to the portal and %d kB back", figure, up/1000, down/1000), errors.Join(err, verr)
}

// outcome counts what `agent verify --json` has verified; its error names the kinds that were not found equal.
func outcome(lines string) (string, error) {
	kinds, rows := 0, int64(0)
	var wrong []error
	for line := range strings.Lines(lines) {
		var v protocol.Verification
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return "", fmt.Errorf("read the outcome of a verification: %w", err)
		}
		if kinds, rows = kinds+1, rows+v.Rows; !v.Equal() {
			wrong = append(wrong, fmt.Errorf("%s: %d rows differ %s", v.Kind, v.Differences, v.Error))
		}
	}
	if kinds == 0 {
		wrong = append(wrong, errors.New("no record kind was verified"))
	}
	return fmt.Sprintf("%d rows, %d record kinds", rows, kinds), errors.Join(wrong...)
}
