package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// What an agent says of its way is on its page and in the list in the reader's language; its own English words stand
// beside that, marked as English and escaped: an issuer's name is anybody's to choose.
func TestOperationsSeesWhatKeptAnAgent(t *testing.T) {
	s := newSite(t)
	status := protocol.AgentStatus{State: "following", LastTrouble: &protocol.Trouble{
		Code: "tls-issuer", Sentence: `The certificate is issued by "<b>Webfilter</b>".`,
		From: now.Add(-37 * time.Minute).UnixMilli(), Until: now.Add(-25 * time.Minute).UnixMilli(),
	}}
	if err := s.store.SaveCheckIn(t.Context(), s.one.Tenant, s.one.Agent, status, "198.51.100.24", now); err != nil {
		t.Fatal(err)
	}
	const own = `<code>tls-issuer</code> <span lang="en">The certificate is issued by &#34;&lt;b&gt;Webfilter&lt;/b&gt;&#34;.</span>`
	tests := map[string]struct {
		language string
		cause    string
		when     string
	}{
		"in Danish":  {"da", "Ajour igen siden i dag 11:47, efter 12 minutter uden at komme igennem. Den sikre forbindelse åbnes undervejs", "fra i dag 11:35 til i dag 11:47"},
		"in Swedish": {"sv", "I fas igen sedan i dag 11:47, efter 12 minuter utan att komma fram. Den säkra anslutningen öppnas på vägen", "från i dag 11:35 till i dag 11:47"},
		"in English": {"en", "Up to date again since today 11:47, after 12 minutes without getting through. The secure connection is opened on the way", "from today 11:35 until today 11:47"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := s.visitor(t, "ditte")
			v.post(t, "/language", url.Values{"language": {tt.language}, "return": {"/operations"}})
			agent := v.get(t, fmt.Sprintf("/operations/agents/%d/%d", s.one.Tenant, s.one.Agent)).body
			for _, want := range []string{tt.cause, tt.when, own} {
				if !strings.Contains(agent, want) {
					t.Errorf("the agent's page lacks %q", want)
				}
			}
			list := v.get(t, "/operations").body
			for _, want := range []string{tt.cause, own} {
				if !strings.Contains(list, want) {
					t.Errorf("the list lacks %q", want)
				}
			}
		})
	}
}

// Why reports wait at the agent is a cause in the list and on the agent's page; its own words are data, in English.
func TestOperationsSeesWhyReportsWait(t *testing.T) {
	s := newSite(t)
	status := protocol.AgentStatus{State: "following", ReportsWait: &protocol.ReportsWait{
		Code: "report-not-taken", Sentence: `report R1: no <table> indbakke`, Waiting: 2, Since: now.Add(-37 * time.Minute).UnixMilli(),
	}}
	if err := s.store.SaveCheckIn(t.Context(), s.one.Tenant, s.one.Agent, status, "198.51.100.24", now); err != nil {
		t.Fatal(err)
	}
	v := s.visitor(t, "ditte")
	const cause, own = "2 registreringer kommer ikke ind i hovedsystemet.", `<code>report-not-taken</code> <span lang="en">report R1: no &lt;table&gt; indbakke</span>`
	agent := v.get(t, fmt.Sprintf("/operations/agents/%d/%d", s.one.Tenant, s.one.Agent)).body
	for _, want := range []string{cause, own, "siden i dag 11:35"} {
		if !strings.Contains(agent, want) {
			t.Errorf("the agent's page lacks %q", want)
		}
	}
	list := v.get(t, "/operations").body
	for _, want := range []string{cause, own} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
}
