package employee

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// ReportAbsence is the data of report-absence.html.
type ReportAbsence struct {
	ui.Frame
	Form     report.AbsenceForm
	Types    []store.AbsenceType // what the main system lets employees report
	Problems []report.Flaw
	Key      string // of the draft, and of the report it becomes
	Saved    bool   // the form continues a draft
	Age      ui.Freshness
}

// Problem returns what is wrong with a field, or nil.
func (r ReportAbsence) Problem(field string) *report.Flaw {
	for _, f := range r.Problems {
		if f.Field == field {
			return &f
		}
	}
	return nil
}

func (p *Pages) newAbsence(c *gin.Context, v *ui.Visit) error {
	return p.showForm(c, v, http.StatusOK, ReportAbsence{Key: rand.Text()})
}

func (p *Pages) editAbsence(c *gin.Context, v *ui.Visit) error {
	d, err := p.records.Draft(c.Request.Context(), v.User.Tenant, v.User.ID, c.Param("key"))
	if errors.Is(err, store.ErrNotFound) {
		return p.alreadySent(c, v, c.Param("key"), err)
	}
	if err != nil {
		return err
	}
	return p.showForm(c, v, http.StatusOK, ReportAbsence{Key: d.Key, Form: formOf(d), Saved: true})
}

// alreadySent leads from the address of a draft to the report it became.
func (p *Pages) alreadySent(c *gin.Context, v *ui.Visit, key string, notFound error) error {
	r, err := p.records.ReportByKey(c.Request.Context(), v.User.Tenant, v.User.ID, key)
	if errors.Is(err, store.ErrNotFound) {
		return notFound
	}
	if err != nil {
		return err
	}
	return ui.Redirect(c, "/registrations/"+string(r.ID)+"/receipt")
}

func (p *Pages) showForm(c *gin.Context, v *ui.Visit, status int, page ReportAbsence) error {
	var err error
	if page.Types, err = p.reportable(c.Request.Context(), v); err != nil {
		return err
	}
	ages, err := p.records.KindAges(c.Request.Context(), v.User.Tenant, v.User.Stream)
	if err != nil {
		return err
	}
	page.Frame, page.Age = p.ui.Frame(v, "report_absence.title", "absence"), p.ui.Age(ages, "absence_type")
	if len(page.Problems) > 0 {
		page.Title = p.ui.Locale(v.Language).Text("form.problem_title", page.Title)
	}
	return p.ui.Show(c, status, v.Language, "report-absence", page)
}

func (p *Pages) reportable(ctx context.Context, v *ui.Visit) ([]store.AbsenceType, error) {
	all, err := p.records.AbsenceTypes(ctx, v.User.Tenant, v.User.Stream)
	var out []store.AbsenceType
	for _, t := range all {
		if t.Reportable {
			out = append(out, t)
		}
	}
	return out, err
}

func typeNos(types []store.AbsenceType) []string {
	nos := make([]string, len(types))
	for i, t := range types {
		nos[i] = t.No
	}
	return nos
}

// saveAbsence keeps what was typed as a draft and goes on to check the answers, or shows what is wrong.
func (p *Pages) saveAbsence(c *gin.Context, v *ui.Visit) error {
	values, err := ui.Form(c)
	if err != nil {
		return err
	}
	key, form := keyOf(values), typed(values)
	_, err = p.records.ReportByKey(c.Request.Context(), v.User.Tenant, v.User.ID, key)
	if !errors.Is(err, store.ErrNotFound) {
		return p.alreadySent(c, v, key, err) // the back button, after it was sent
	}
	types, err := p.reportable(c.Request.Context(), v)
	if err != nil {
		return err
	}
	_, flaws := form.Check(typeNos(types), p.ui.Today())
	if form.Type != "" || form.FirstDay != "" {
		if err := p.saveDraft(c.Request.Context(), v.User, key, form); err != nil {
			return err
		}
	}
	if len(flaws) > 0 {
		return p.showForm(c, v, http.StatusUnprocessableEntity, ReportAbsence{Key: key, Form: form, Problems: flaws})
	}
	return ui.Redirect(c, "/absence/report/"+key+"/check")
}

// maxTyped bounds each field of a kept draft; what is longer is refused by the check anyhow.
const maxTyped = 4000

func typed(form url.Values) report.AbsenceForm {
	get := func(name string) string {
		s := form.Get(name)
		return strings.ReplaceAll(strings.ToValidUTF8(s[:min(len(s), maxTyped)], ""), "\x00", "")
	}
	return report.AbsenceForm{
		Type: get("type"), FirstDay: get("first_day"), LastDay: get("last_day"), Hours: get("hours"), Note: get("note"),
	}
}

// keyOf returns the form's key, or a new one when it is not one that this program makes.
func keyOf(form url.Values) string {
	const length = 26
	key := form.Get("key")
	if len(key) != length || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return rand.Text()
	}
	return key
}

func (p *Pages) saveDraft(ctx context.Context, u identity.User, key string, form report.AbsenceForm) error {
	b, err := json.Marshal(form)
	if err != nil {
		return err
	}
	return p.records.SaveDraft(ctx, u.Tenant, u.ID, store.Draft{
		Key: key, Type: report.TypeAbsence, Form: string(b), UpdatedAt: p.ui.Now(),
	})
}

// Keep keeps a form that was sent after its session had ended, if it was this user's (requirements part 5, 8).
func (p *Pages) Keep(ctx context.Context, u identity.User, form url.Values) (continueAt string, err error) {
	if form.Get("for") != strconv.FormatInt(int64(u.ID), 10) || form.Get("form") != report.TypeAbsence {
		return "", nil
	}
	key := keyOf(form)
	if _, err := p.records.ReportByKey(ctx, u.Tenant, u.ID, key); err == nil {
		return "/absence/report/" + key, nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err := p.saveDraft(ctx, u, key, typed(form)); err != nil {
		return "", err
	}
	return "/absence/report/" + key, nil
}

// CheckAbsence is the data of check-absence.html.
type CheckAbsence struct {
	ui.Frame
	report.Absence
	Names    store.Names
	Key      string
	Hours    store.Decimal
	Weekdays int
	Overlaps []store.Absence // absences of the main system in the same days
}

func (p *Pages) checkAbsence(c *gin.Context, v *ui.Visit) error {
	key := c.Param("key")
	a, t, err := p.checked(c.Request.Context(), v, key)
	if err != nil {
		return p.incomplete(c, v, key, err)
	}
	page := CheckAbsence{Frame: p.ui.Frame(v, "check.title", "absence"), Absence: a, Names: t.Names, Key: key,
		Weekdays: report.Weekdays(a.FirstDay, a.LastDay)}
	if a.Hours != "" {
		page.Hours = parseDecimal(a.Hours)
	}
	known, err := p.records.Absences(c.Request.Context(), me(v), maxAbsences)
	if err != nil {
		return err
	}
	for _, k := range known {
		if !k.FirstDay.After(a.LastDay) && !k.LastDay.Before(a.FirstDay) {
			page.Overlaps = append(page.Overlaps, k)
		}
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "check-absence", page)
}

// errIncomplete says that a draft cannot be sent as it is.
var errIncomplete = errors.New("draft is not complete")

// checked returns a draft that holds, with its type.
func (p *Pages) checked(ctx context.Context, v *ui.Visit, key string) (report.Absence, store.AbsenceType, error) {
	d, err := p.records.Draft(ctx, v.User.Tenant, v.User.ID, key)
	if err != nil {
		return report.Absence{}, store.AbsenceType{}, err
	}
	types, err := p.reportable(ctx, v)
	if err != nil {
		return report.Absence{}, store.AbsenceType{}, err
	}
	a, flaws := formOf(d).Check(typeNos(types), p.ui.Today())
	if len(flaws) > 0 {
		return a, store.AbsenceType{}, errIncomplete
	}
	for _, t := range types {
		if t.No == a.Type {
			return a, t, nil
		}
	}
	return a, store.AbsenceType{}, errIncomplete
}

// incomplete leads back to the form, or on to the receipt when the draft was sent already.
func (p *Pages) incomplete(c *gin.Context, v *ui.Visit, key string, err error) error {
	switch {
	case errors.Is(err, errIncomplete):
		return ui.Redirect(c, "/absence/report/"+url.PathEscape(key))
	case errors.Is(err, store.ErrNotFound):
		return p.alreadySent(c, v, key, err)
	}
	return err
}

// submitAbsence sends the report. However often it is asked, one key makes one report.
func (p *Pages) submitAbsence(c *gin.Context, v *ui.Visit) error {
	key := c.Param("key")
	a, _, err := p.checked(c.Request.Context(), v, key)
	if err != nil {
		return p.incomplete(c, v, key, err)
	}
	r, first, err := p.records.SubmitReport(c.Request.Context(), report.Submission{
		Tenant: v.User.Tenant, Stream: v.User.Stream, User: v.User.ID, Actor: v.User.Name, EmployeeNo: v.User.EmployeeNo,
		Type: report.TypeAbsence, Fields: a.Fields(), Key: key, At: p.ui.Now(),
	})
	if err != nil {
		return err
	}
	if first {
		p.log.InfoContext(c.Request.Context(), "report submitted", "report", r, "user", v.User)
		p.wake(c.Request.Context(), r.Tenant, r.Stream)
	}
	return ui.Redirect(c, "/registrations/"+string(r.ID)+"/receipt")
}

func (p *Pages) deleteDraft(c *gin.Context, v *ui.Visit) error {
	if err := p.records.DeleteDraft(c.Request.Context(), v.User.Tenant, v.User.ID, c.Param("key")); err != nil {
		return err
	}
	return ui.Redirect(c, "/registrations?done=deleted")
}
