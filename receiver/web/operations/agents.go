package operations

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Agents is the data of agents.html. Its filters live in the address.
type Agents struct {
	ui.Frame
	Total  int
	Tally  []StateCount
	State  State  // filter; empty for all
	Query  string // filter on customer, host, stream, version and address
	Agents []AgentRow
	Limits ui.Limits
}

// StateCount is how many agents are in a state.
type StateCount struct {
	State State
	Count int
	Href  string
}

// AgentRow is one agent in the list.
type AgentRow struct {
	store.FleetAgent
	Health Health
}

func (p *Pages) agents(c *gin.Context, v *ui.Visit) error {
	page := Agents{Frame: p.ui.Frame(v, "agents.title", "agents"), State: State(c.Query("state")), Query: strings.TrimSpace(c.Query("q"))}
	page.Wide, page.Refresh, page.Limits = true, refreshSeconds, p.ui.Limits()
	all, err := p.fleet.Fleet(c.Request.Context())
	if err != nil {
		return err
	}
	counts := map[State]int{}
	for _, a := range all {
		row := AgentRow{FleetAgent: a, Health: health(a, p.ui.Now(), p.ui.Limits(), p.ui.Locale(v.Language))}
		counts[row.Health.State]++
		if (page.State == "" || page.State == row.Health.State) && matches(a, page.Query) {
			page.Agents = append(page.Agents, row)
		}
	}
	page.Total = len(all)
	for _, s := range States() {
		if counts[s] > 0 || s == page.State {
			page.Tally = append(page.Tally, StateCount{State: s, Count: counts[s], Href: listHref(s, page.Query)})
		}
	}
	// The worst first: operations read from the top.
	slices.SortStableFunc(page.Agents, func(a, b AgentRow) int {
		return slices.Index(States(), a.Health.State) - slices.Index(States(), b.Health.State)
	})
	return p.ui.Show(c, http.StatusOK, v.Language, "agents", page)
}

// AllHref is the address of the list without the state filter.
func (a Agents) AllHref() string { return listHref("", a.Query) }

func listHref(s State, query string) string {
	q := url.Values{}
	if s != "" {
		q.Set("state", string(s))
	}
	if query != "" {
		q.Set("q", query)
	}
	if len(q) == 0 {
		return "/operations"
	}
	return "/operations?" + q.Encode()
}

func matches(a store.FleetAgent, query string) bool {
	query = strings.ToLower(query)
	return slices.ContainsFunc([]string{a.TenantCode, a.TenantName, a.Stream.Name, a.Hostname, a.Version, a.Address, a.MainSystem},
		func(s string) bool { return strings.Contains(strings.ToLower(s), query) })
}
