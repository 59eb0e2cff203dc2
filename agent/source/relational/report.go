package relational

import (
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/protocol"
)

// Reported is what goes into a column or parameter of an inbox.
type Reported struct {
	Text   string
	Absent bool      // the report has no such field
	Moment time.Time // what Text spells, on the clock of the main system, where it is the moment of submission
}

// ReportValue returns what a report holds for a column, or why the plan refuses the report.
func ReportValue(c plan.InboxColumn, r protocol.Report, zone *time.Location) (v Reported, refusal string) {
	given := true
	switch c.From {
	case "":
		return Reported{Text: c.Value}, ""
	case "employee_no":
		v.Text = r.EmployeeNo
	case "type":
		v.Text = r.Type
	case "report_id":
		v.Text = string(r.ID)
	case "submitted_at":
		v.Moment = time.UnixMilli(r.SubmittedAt).In(zone)
		v.Text = v.Moment.Format(time.DateTime)
	default:
		v.Text, given = r.Fields[strings.TrimPrefix(c.From, "fields.")]
	}
	if !given {
		return Reported{Absent: true}, ""
	}
	if c.Map == nil {
		return v, ""
	}
	mapped, ok := c.Map[v.Text]
	if !ok {
		return v, fmt.Sprintf("the plan's map for column %s does not list the code that %s holds", c.Name, c.From)
	}
	return Reported{Text: mapped}, ""
}
