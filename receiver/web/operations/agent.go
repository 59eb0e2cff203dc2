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
	Since  time.Time         // first occurrence of the agent's last error; zero when there is none
	Kinds  []store.FleetKind // planned ones, parents first
	// Verified is the last verification of each kind that was verified.
	Verified map[string]Verified
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
	page := Agent{Frame: p.ui.Frame(v, "agent.title", "agents"), FleetAgent: a, Kinds: kinds}
	if page.Verified, err = p.verified(c.Request.Context(), a.Tenant, a.Stream.ID); err != nil {
		return err
	}
	page.Health = health(a, p.ui.Now(), p.ui.Limits(), p.ui.Locale(v.Language))
	page.Way = wayOf(a.Status, p.ui.Locale(v.Language))
	if a.Status.Since != 0 {
		page.Since = time.UnixMilli(a.Status.Since)
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

// The decisions on a record kind that waits for a person, as they stand in its address.
const (
	release = "release" // let go what is held or suspended
	refuse  = "refuse"  // suspend the kind: the portal keeps what it has
)

// Decide is the data of decide.html: the question before a decision.
type Decide struct {
	ui.Frame
	store.FleetAgent
	Kind     store.FleetKind
	Decision string
	Href     string // back to the agent
}

func (p *Pages) waiting(c *gin.Context) (store.FleetAgent, store.FleetKind, error) {
	a, kinds, err := p.find(c.Request.Context(), c.Param("tenant"), c.Param("agent"))
	if err != nil {
		return a, store.FleetKind{}, err
	}
	decision := c.Param("decision")
	for _, k := range kinds {
		canRelease := k.Held || k.State == protocol.KindSuspended
		if k.Kind == c.Param("kind") && (decision == release && canRelease || decision == refuse && k.Held) {
			return a, k, nil
		}
	}
	return a, store.FleetKind{}, ui.ErrNotFound
}

func (p *Pages) confirm(c *gin.Context, v *ui.Visit) error {
	a, k, err := p.waiting(c)
	if err != nil {
		return err
	}
	page := Decide{Frame: p.ui.Frame(v, "decide.title", "agents"), FleetAgent: a, Kind: k, Decision: c.Param("decision"),
		Href: agentHref(a.Tenant, a.Agent)}
	return p.ui.Show(c, http.StatusOK, v.Language, "decide", page)
}

func (p *Pages) decide(c *gin.Context, v *ui.Visit) error {
	a, k, err := p.waiting(c)
	if err != nil {
		return err
	}
	decision := c.Param("decision")
	if decision == release {
		err = p.fleet.ReleaseKind(c.Request.Context(), a.Tenant, a.Stream.ID, k.Kind)
	} else {
		err = p.fleet.SuspendKind(c.Request.Context(), a.Tenant, a.Stream.ID, k.Kind, "Refused by operations: "+k.Cause)
	}
	if err != nil {
		return err
	}
	p.log.InfoContext(c.Request.Context(), "record kind decided", "tenant", int64(a.Tenant), "stream", int64(a.Stream.ID), "kind", k.Kind,
		"decision", decision, "user", v.User)
	return ui.Redirect(c, agentHref(a.Tenant, a.Agent)+"?done="+decision)
}
