package employee

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Payslips is the data of payslips.html: the payslips of one year.
type Payslips struct {
	ui.Frame
	Years    []int // newest first
	Year     int
	Payslips []store.Payslip
	Age      ui.Freshness
}

func (p *Pages) payslips(c *gin.Context, v *ui.Visit) error {
	page := Payslips{Frame: p.ui.Frame(v, "payslips.title", "payslips")}
	all, err := p.records.Payslips(c.Request.Context(), me(v), maxPayslips)
	if err != nil {
		return err
	}
	for _, s := range all {
		if y := s.PayDate.Year(); len(page.Years) == 0 || page.Years[len(page.Years)-1] != y {
			page.Years = append(page.Years, y)
		}
	}
	page.Year, err = strconv.Atoi(c.Query("year"))
	if err != nil && len(page.Years) > 0 {
		page.Year = page.Years[0]
	}
	for _, s := range all {
		if s.PayDate.Year() == page.Year {
			page.Payslips = append(page.Payslips, s)
		}
	}
	ages, err := p.records.KindAges(c.Request.Context(), v.User.Tenant, v.User.Stream)
	if err != nil {
		return err
	}
	page.Age = p.ui.Age(ages, "payslip")
	return p.ui.Show(c, http.StatusOK, v.Language, "payslips", page)
}

// Payslip is the data of payslip.html.
type Payslip struct {
	ui.Frame
	Slip     store.Payslip
	Href     string // of the document; empty when there is none
	Sections []PayslipSection
	Age      ui.Freshness
}

// PayslipSection is the lines under one heading of the main system.
type PayslipSection struct {
	Name  string // empty when the main system gives none
	Lines []store.PayslipLine
	Sum   store.Decimal
}

func (p *Pages) payslip(c *gin.Context, v *ui.Visit) error {
	slip, lines, err := p.records.Payslip(c.Request.Context(), me(v), c.Param("no"))
	if err != nil {
		return p.foreign(c, v, err)
	}
	page := Payslip{Frame: p.ui.Frame(v, "payslip.title", "payslips"), Slip: slip, Sections: sections(lines)}
	page.Title = p.ui.Locale(v.Language).Text("payslip.of", p.ui.Locale(v.Language).Period(slip.PeriodStart, slip.PeriodEnd))
	if slip.DocumentNo != "" {
		page.Href = "/payslips/" + url.PathEscape(slip.No) + "/document"
	}
	ages, err := p.records.KindAges(c.Request.Context(), v.User.Tenant, v.User.Stream)
	if err != nil {
		return err
	}
	page.Age = p.ui.Age(ages, "payslip", "payslip_line")
	return p.ui.Show(c, http.StatusOK, v.Language, "payslip", page)
}

// foreign notes when somebody asked for a payslip that is another's. The visitor sees "not found" either way (L2).
func (p *Pages) foreign(c *gin.Context, v *ui.Visit, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	exists, lookErr := p.records.PayslipExists(c.Request.Context(), me(v), c.Param("no"))
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if exists {
		p.log.WarnContext(c.Request.Context(), "another employee's payslip refused", "user", v.User, "route", c.FullPath(), "from", v.Address)
	}
	return err
}

// sections groups lines by heading, in the order the headings first appear.
func sections(lines []store.PayslipLine) []PayslipSection {
	var out []PayslipSection
	place := map[string]int{}
	for _, l := range lines {
		i, ok := place[l.Section]
		if !ok {
			i = len(out)
			place[l.Section] = i
			out = append(out, PayslipSection{Name: l.Section, Sum: store.Decimal{Scale: l.Amount.Scale, Valid: true}})
		}
		out[i].Lines = append(out[i].Lines, l)
		out[i].Sum.N += l.Amount.N
	}
	return out
}

// document sends the PDF of an own payslip.
func (p *Pages) document(c *gin.Context, v *ui.Visit) error {
	slip, _, err := p.records.Payslip(c.Request.Context(), me(v), c.Param("no"))
	if err != nil {
		return p.foreign(c, v, err)
	}
	doc, err := p.records.Document(c.Request.Context(), me(v), slip.DocumentNo)
	if err != nil {
		return err
	}
	content, err := p.records.Blob(c.Request.Context(), v.User.Tenant, doc.Blob)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.pdf", p.ui.Locale(v.Language).Text("payslip.file"), slip.PayDate.Format("2006-01-02"))
	// A document of a customer is never shown inside the portal's own origin: it is handed over as a file.
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	c.Header("Content-Security-Policy", "sandbox; default-src 'none'")
	media := "application/octet-stream"
	if doc.MediaType == "application/pdf" {
		media = doc.MediaType
	}
	c.Data(http.StatusOK, media, content)
	return nil
}
