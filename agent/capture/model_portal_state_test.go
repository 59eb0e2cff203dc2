package capture_test

import (
	"lessor.dk/portalsync/protocol"
)

// with changes the portal behind everybody's back.
func (p *portal) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.tell()
}

// names returns the portal's rows of a kind.
func (p *portal) names(kind string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := map[string]string{}
	for key, row := range p.kinds[kind].rows {
		names[key] = row.name
	}
	return names
}

func (p *portal) state(kind string) protocol.KindState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.kinds[kind]; k != nil {
		return k.status.State
	}
	return "" // no OPEN has named it yet
}

// backup returns what brings the store back to what it is now. The queue is not part of it.
func (p *portal) backup() (restore func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gen, applied, lineage, position := p.gen, p.applied, p.lineage, p.position
	kinds := map[string]*recordKind{}
	for name, k := range p.kinds {
		kinds[name] = k.clone()
	}
	return func() {
		p.with(func() {
			p.gen, p.applied, p.lineage, p.position = gen, applied, lineage, position
			for name, k := range kinds {
				p.kinds[name] = k.clone()
			}
		})
	}
}

func (k *recordKind) clone() *recordKind {
	rows := map[string]portalRow{}
	for key, row := range k.rows {
		rows[key] = row
	}
	return &recordKind{status: k.status, rows: rows}
}
