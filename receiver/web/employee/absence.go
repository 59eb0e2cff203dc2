package employee

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Absence is the data of absence.html.
type Absence struct {
	ui.Frame
	Balances   []BalanceCard
	Waiting    []ReportLine // own reports that the list below does not hold yet
	Years      []AbsenceYear
	BalanceAge ui.Freshness
	Age        ui.Freshness
}

// AbsenceYear is the absences that begin in one year.
type AbsenceYear struct {
	Year     int
	Absences []AbsenceLine
}

// AbsenceLine is one absence of the main system.
type AbsenceLine struct {
	store.Absence
	Names store.Names
	State string // key of a known word of main systems; empty when the word is not known
}

func (p *Pages) absence(c *gin.Context, v *ui.Visit) error {
	page := Absence{Frame: p.ui.Frame(v, "absence.title", "absence")}
	o, err := p.own(c.Request.Context(), v)
	if err != nil {
		return err
	}
	absences, err := p.records.Absences(c.Request.Context(), me(v), maxAbsences)
	if err != nil {
		return err
	}
	listed := map[protocol.ReportID]bool{}
	for _, a := range absences {
		listed[a.ReportID] = true
		if n := len(page.Years); n == 0 || page.Years[n-1].Year != a.FirstDay.Year() {
			page.Years = append(page.Years, AbsenceYear{Year: a.FirstDay.Year()})
		}
		year := &page.Years[len(page.Years)-1]
		year.Absences = append(year.Absences, AbsenceLine{Absence: a, Names: o.typeNames(a.Type), State: stateWord(a.State)})
	}
	page.Waiting = o.draftLines
	for _, l := range o.lines {
		if !listed[l.ID] && l.State != report.Cancelled && l.State != report.Refused && l.State != report.Conflict {
			page.Waiting = append(page.Waiting, l)
		}
	}
	page.Balances = o.balances
	page.BalanceAge, page.Age = p.ui.Age(o.ages, "balance"), p.ui.Age(o.ages, "absence")
	return p.ui.Show(c, http.StatusOK, v.Language, "absence", page)
}

// stateWord recognises the usual words main systems have for the state of an absence.
func stateWord(s string) string {
	switch strings.ToLower(s) {
	case "approved", "godkendt", "g":
		return "approved"
	case "registered", "registreret", "r":
		return "registered"
	case "planned", "planlagt", "p":
		return "planned"
	case "requested", "applied", "anmodet", "ansøgt", "a":
		return "requested"
	case "rejected", "refused", "afvist":
		return "refused"
	case "paid", "settled", "afregnet", "lønkørt":
		return "settled"
	}
	return ""
}
