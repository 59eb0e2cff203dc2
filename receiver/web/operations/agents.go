package operations

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// pageSize is how many agents one page of the list holds.
const pageSize = 50

// Agents is the data of agents.html. Its filters live in the address.
type Agents struct {
	ui.Frame
	Fleet    int // agents of all customers
	Total    int // those that match the query
	Tally    []StateCount
	State    State  // filter; empty for all
	Query    string // filter on customer, host, stream, version, address and main system
	Agents   []AgentRow
	Limits   ui.Limits
	At       time.Time // when the fleet was read
	Matching int       // agents that match query and state
	Page     int       // from 1
	Pages    int
}

// StateCount is how many agents are in a state.
type StateCount struct {
	State State
	Count int64
	Href  string
}

// AgentRow is one agent in the list.
type AgentRow struct {
	store.FleetAgent
	Health Health
}

func (p *Pages) agents(c *gin.Context, v *ui.Visit) error {
	page := Agents{Frame: p.ui.Frame(v, "agents.title", "agents"), State: stateOf(c.Query("state")), Query: strings.TrimSpace(c.Query("q"))}
	page.Wide, page.Refresh, page.Limits = true, refreshSeconds, p.ui.Limits()
	fleet, err := p.view.get(c.Request.Context())
	if err != nil {
		return err
	}
	page.Fleet, page.At = len(fleet.agents), fleet.at
	now, query := p.ui.Now(), strings.ToLower(page.Query)
	states := map[State][]*seen{}
	for i := range fleet.agents {
		a := &fleet.agents[i]
		if strings.Contains(a.text, query) {
			state := judge(&a.FleetAgent, now, page.Limits).State
			states[state] = append(states[state], a)
			page.Total++
		}
	}
	// The worst first: operations read from the top.
	var chosen []*seen
	for _, s := range States() {
		n := int64(len(states[s]))
		if n > 0 || s == page.State {
			page.Tally = append(page.Tally, StateCount{State: s, Count: n, Href: listHref(s, page.Query, 1)})
		}
		if page.State == "" || page.State == s {
			chosen = append(chosen, states[s]...)
		}
	}
	for _, a := range page.cut(chosen, c.Query("page")) {
		page.Agents = append(page.Agents, AgentRow{a.FleetAgent, health(&a.FleetAgent, now, page.Limits, p.ui.Locale(v.Language))})
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "agents", page)
}

// cut returns the agents of the page that is asked for; one beyond the last is the last.
func (a *Agents) cut(chosen []*seen, asked string) []*seen {
	a.Matching = len(chosen)
	a.Pages = max(1, (len(chosen)+pageSize-1)/pageSize)
	number, err := strconv.Atoi(asked)
	if err != nil {
		number = 1
	}
	a.Page = min(max(number, 1), a.Pages)
	return chosen[(a.Page-1)*pageSize : min(a.Page*pageSize, len(chosen))]
}

// All is how many agents match the query, in any state.
func (a Agents) All() int64 { return int64(a.Total) }

// First is the number of the page's first agent in the list.
func (a Agents) First() int64 { return int64((a.Page-1)*pageSize + 1) }

// Last is the number of the page's last agent in the list.
func (a Agents) Last() int64 { return a.First() + int64(len(a.Agents)) - 1 }

// Of is how many agents the list holds on all pages.
func (a Agents) Of() int64 { return int64(a.Matching) }

// Before is the address of the page before this one; empty on the first.
func (a Agents) Before() string {
	if a.Page == 1 {
		return ""
	}
	return listHref(a.State, a.Query, a.Page-1)
}

// After is the address of the next page; empty on the last.
func (a Agents) After() string {
	if a.Page == a.Pages {
		return ""
	}
	return listHref(a.State, a.Query, a.Page+1)
}

// AllHref is the address of the list without the state filter.
func (a Agents) AllHref() string { return listHref("", a.Query, 1) }

// stateOf is the state that a filter names; what is none filters nothing.
func stateOf(s string) State {
	if slices.Contains(States(), State(s)) {
		return State(s)
	}
	return ""
}

func listHref(s State, query string, page int) string {
	q := url.Values{}
	if s != "" {
		q.Set("state", string(s))
	}
	if query != "" {
		q.Set("q", query)
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return "/operations"
	}
	return "/operations?" + q.Encode()
}
