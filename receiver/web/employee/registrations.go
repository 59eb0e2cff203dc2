package employee

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Registrations is the data of registrations.html: everything the employee has reported.
type Registrations struct {
	ui.Frame
	Lines []ReportLine // drafts first, then newest first
	Age   ui.Freshness
}

func (p *Pages) registrations(c *gin.Context, v *ui.Visit) error {
	page := Registrations{Frame: p.ui.Frame(v, "registrations.title", "registrations")}
	if c.Query("done") == "deleted" {
		page.Notice = "registrations.deleted"
	}
	o, err := p.own(c.Request.Context(), v)
	if err != nil {
		return err
	}
	page.Lines = append(o.draftLines, o.lines...)
	page.Age = p.ui.Age(o.ages, "report_result")
	return p.ui.Show(c, http.StatusOK, v.Language, "registrations", page)
}

// Registration is the data of registration.html: one report and its history.
type Registration struct {
	ui.Frame
	Line      ReportLine
	Reason    string
	Steps     []report.Step
	Next      string // key of the sentence about what happens next; empty when nothing does
	CanCancel bool
}

func (p *Pages) registration(c *gin.Context, v *ui.Visit) error {
	r, line, err := p.oneReport(c, v)
	if err != nil {
		return err
	}
	page := Registration{Frame: p.ui.Frame(v, "registration.title", "registrations"), Line: line,
		Reason: r.Reason, Steps: r.Steps, CanCancel: r.CanCancel()}
	if r.State.Open() {
		page.Next = "next." + string(r.State)
	}
	switch c.Query("done") {
	case "cancelled":
		page.Notice = "cancel.done"
	case "late":
		page.Notice = "cancel.late"
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "registration", page)
}

func (p *Pages) oneReport(c *gin.Context, v *ui.Visit) (report.Report, ReportLine, error) {
	r, err := p.records.Report(c.Request.Context(), me(v), protocol.ReportID(c.Param("id")))
	if err != nil {
		return r, ReportLine{}, err
	}
	o, err := p.own(c.Request.Context(), v)
	return r, o.line(r), err
}

// Receipt is the data of receipt.html.
type Receipt struct {
	ui.Frame
	Line ReportLine
}

func (p *Pages) receipt(c *gin.Context, v *ui.Visit) error {
	_, line, err := p.oneReport(c, v)
	if err != nil {
		return err
	}
	page := Receipt{Frame: p.ui.Frame(v, "receipt.title", "registrations"), Line: line}
	return p.ui.Show(c, http.StatusOK, v.Language, "receipt", page)
}

// Cancel is the data of cancel.html: the question before a report is taken back.
type Cancel struct {
	ui.Frame
	Line ReportLine
}

func (p *Pages) confirmCancel(c *gin.Context, v *ui.Visit) error {
	r, line, err := p.oneReport(c, v)
	if err != nil {
		return err
	}
	if !r.CanCancel() {
		return ui.Redirect(c, line.Href+"?done=late")
	}
	page := Cancel{Frame: p.ui.Frame(v, "cancel.title", "registrations"), Line: line}
	return p.ui.Show(c, http.StatusOK, v.Language, "cancel", page)
}

func (p *Pages) cancel(c *gin.Context, v *ui.Visit) error {
	id := protocol.ReportID(c.Param("id"))
	err := p.records.CancelReport(c.Request.Context(), me(v), id, v.User.Name, p.ui.Now())
	href := "/registrations/" + string(id)
	var late *report.TransitionError
	switch {
	case errors.As(err, &late):
		return ui.Redirect(c, href+"?done=late")
	case err != nil:
		return err
	}
	p.log.InfoContext(c.Request.Context(), "report cancelled", "report", string(id), "user", v.User)
	return ui.Redirect(c, href+"?done=cancelled")
}
