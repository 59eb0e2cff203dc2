package operations

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// The decisions on what waits for a person, as they stand in its address.
const (
	release = "release" // let go what is held or suspended
	refuse  = "refuse"  // suspend the kind: the portal keeps what it has
)

// Decide is the data of decide.html: the question before a decision on a record kind, or on the stream.
type Decide struct {
	ui.Frame
	store.FleetAgent
	Kind     string // empty for the stream
	Why      Cause
	Decision string
	Blanks   bool   // the kind is held for them
	Href     string // back to the agent
}

// Action is where the decision is sent.
func (d Decide) Action() string {
	if d.Kind == "" {
		return d.Href + "/stream/" + d.Decision
	}
	return d.Href + "/kinds/" + d.Kind + "/" + d.Decision
}

// waiting returns the record kind that the address names, if it waits for the decision there.
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
	return p.ask(c, v, Decide{FleetAgent: a, Kind: k.Kind, Why: causeOfKind(k, p.ui.Locale(v.Language)), Decision: c.Param("decision"),
		Blanks: k.Hold == store.HoldBlanks})
}

func (p *Pages) ask(c *gin.Context, v *ui.Visit, page Decide) error {
	page.Frame, page.Href = p.ui.Frame(v, "decide.title", "agents"), agentHref(page.Tenant, page.Agent)
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
		k.Cause.Refused = true
		err = p.fleet.SuspendKind(c.Request.Context(), a.Tenant, a.Stream.ID, k.Kind, k.Cause)
	}
	if err != nil {
		return err
	}
	p.log.InfoContext(c.Request.Context(), "record kind decided", "tenant", int64(a.Tenant), "stream", int64(a.Stream.ID), "kind", k.Kind,
		"decision", decision, "user", v.User)
	return ui.Redirect(c, agentHref(a.Tenant, a.Agent)+"?done="+decision)
}

// suspended returns the agent that the address names, if its stream waits for a person.
func (p *Pages) suspended(c *gin.Context) (store.FleetAgent, error) {
	a, _, err := p.find(c.Request.Context(), c.Param("tenant"), c.Param("agent"))
	if err == nil && a.Stream.Status != store.StreamSuspended {
		err = ui.ErrNotFound
	}
	return a, err
}

func (p *Pages) confirmStream(c *gin.Context, v *ui.Visit) error {
	a, err := p.suspended(c)
	if err != nil {
		return err
	}
	return p.ask(c, v, Decide{FleetAgent: a, Why: causeOf(a.Stream.Cause, p.ui.Locale(v.Language)), Decision: release})
}

func (p *Pages) releaseStream(c *gin.Context, v *ui.Visit) error {
	a, err := p.suspended(c)
	if err != nil {
		return err
	}
	if err := p.fleet.ReleaseStream(c.Request.Context(), a.Tenant, a.Stream.ID); err != nil {
		return err
	}
	p.log.InfoContext(c.Request.Context(), "stream released", "tenant", int64(a.Tenant), "stream", int64(a.Stream.ID), "user", v.User)
	return ui.Redirect(c, agentHref(a.Tenant, a.Agent)+"?done="+release)
}
