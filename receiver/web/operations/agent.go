package operations

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Agent is the data of agent.html.
type Agent struct {
	ui.Frame
	store.FleetAgent
	Health Health
	Way    Way
	Inbox  time.Time // first failed try of the reports that wait; zero when none do
	Since  time.Time // first occurrence of the agent's last error; zero when there is none
	Why    Cause     // why the stream waits
	Kinds  []Kind    // planned ones, parents first
}

// PortalPosition is what the portal has applied, as a plain number.
func (a Agent) PortalPosition() int64 { return int64(a.Stream.Position) }

// SourcePosition is what the agent has read, as a plain number.
func (a Agent) SourcePosition() int64 { return int64(a.Status.Position) }

// Href is the address of the agent's page.
func (a Agent) Href() string { return agentHref(a.Tenant, a.Agent) }

// Way is how the agent's way to the portal was: the last trouble on it, and the clock.
type Way struct {
	Trouble     *protocol.Trouble // nil when there was none
	From, Until time.Time         // Until is zero while it lasts
	Clock       string
}

func wayOf(s protocol.AgentStatus, l *ui.Locale) Way {
	w := Way{Trouble: s.LastTrouble, Clock: l.Text("agent.clock_ok")}
	if off := time.Duration(s.ClockOff) * time.Millisecond; off.Abs() > tellClock {
		w.Clock = clock(off, l, "agent.clock_slow", "agent.clock_fast")
	}
	if w.Trouble != nil {
		w.From = time.UnixMilli(w.Trouble.From)
		if w.Trouble.Until != 0 {
			w.Until = time.UnixMilli(w.Trouble.Until)
		}
	}
	return w
}

func agentHref(t protocol.TenantID, a protocol.AgentID) string {
	return fmt.Sprintf("/operations/agents/%d/%d", t, a)
}

func (p *Pages) agent(c *gin.Context, v *ui.Visit) error {
	a, kinds, err := p.find(c.Request.Context(), c.Param("tenant"), c.Param("agent"))
	if err != nil {
		return err
	}
	l := p.ui.Locale(v.Language)
	page := Agent{Frame: p.ui.Frame(v, "agent.title", "agents"), FleetAgent: a, Why: causeOf(a.Stream.Cause, l)}
	if page.Kinds, err = p.kinds(c.Request.Context(), a.Tenant, a.Stream.ID, kinds, l); err != nil {
		return err
	}
	page.Health, page.Way = health(&a, p.ui.Now(), p.ui.Limits(), l), wayOf(a.Status, l)
	if a.Status.Since != 0 {
		page.Since = time.UnixMilli(a.Status.Since)
	}
	if a.Status.ReportsWait != nil {
		page.Inbox = time.UnixMilli(a.Status.ReportsWait.Since)
	}
	page.Title, page.Wide, page.Refresh = a.TenantName+" · "+page.Title, true, refreshSeconds
	if done := c.Query("done"); done == "release" || done == "refuse" {
		page.Notice = "decide.done." + done
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "agent", page)
}

func (p *Pages) find(ctx context.Context, tenant, agent string) (store.FleetAgent, []store.FleetKind, error) {
	t, err := strconv.ParseInt(tenant, 10, 64)
	if err != nil {
		return store.FleetAgent{}, nil, ui.ErrNotFound
	}
	id, err := strconv.ParseInt(agent, 10, 64)
	if err != nil {
		return store.FleetAgent{}, nil, ui.ErrNotFound
	}
	a, err := p.fleet.FleetAgent(ctx, protocol.TenantID(t), protocol.AgentID(id))
	if err != nil {
		return store.FleetAgent{}, nil, err
	}
	kinds, err := p.fleet.FleetKinds(ctx, a.Tenant, a.Stream.ID)
	kinds = slices.DeleteFunc(kinds, func(k store.FleetKind) bool { return !k.Planned })
	slices.SortFunc(kinds, func(x, y store.FleetKind) int { return cmp.Compare(record.Order(x.Kind), record.Order(y.Kind)) })
	return a, kinds, err
}
