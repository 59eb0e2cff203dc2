package employee

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// homeReports is how many reports the home page shows.
const homeReports = 3

// Home is the data of home.html.
type Home struct {
	ui.Frame
	FirstName  string
	LeftOn     time.Time // of somebody who has left; zero otherwise
	NextPay    time.Time // zero when the calendar holds none
	Latest     *store.Payslip
	Balances   []BalanceCard
	Reports    []ReportLine
	PayAge     ui.Freshness
	BalanceAge ui.Freshness
}

func (p *Pages) home(c *gin.Context, v *ui.Visit) error {
	page := Home{Frame: p.ui.Frame(v, "home.title", "home"), FirstName: firstName(v.User.Name)}
	record, err := p.records.Employee(c.Request.Context(), me(v))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && !record.Active {
		page.LeftOn = record.LeftOn
	}
	if page.NextPay, err = p.records.NextPayDate(c.Request.Context(), v.User.Tenant, v.User.Stream, p.ui.Today()); err != nil {
		return err
	}
	payslips, err := p.records.Payslips(c.Request.Context(), me(v), 1)
	if err != nil {
		return err
	}
	if len(payslips) > 0 {
		page.Latest = &payslips[0]
	}
	own, err := p.own(c.Request.Context(), v)
	if err != nil {
		return err
	}
	page.Balances, page.Reports = own.balances, own.lines
	page.Reports = append(own.draftLines, page.Reports...)
	page.Reports = page.Reports[:min(homeReports, len(page.Reports))]
	page.PayAge = p.ui.Age(own.ages, "payslip")
	page.BalanceAge = p.ui.Age(own.ages, "balance")
	return p.ui.Show(c, http.StatusOK, v.Language, "home", page)
}

func firstName(name string) string {
	first, _, _ := strings.Cut(name, " ")
	return first
}
