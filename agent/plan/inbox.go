package plan

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Inbox says how a report of one type goes into the main system: as a row of Table or, if that is not nil, by a call
// of Procedure.
type Inbox struct {
	Type      string
	Table     Table
	Procedure *Procedure
	// ID is the table's column or the procedure's parameter for the report's id.
	ID string
	// Columns are the table's columns or the procedure's parameters.
	Columns []InboxColumn
	Line    int
}

// Procedure is a stored procedure that takes reports. It runs in the transaction that keeps the report's id, and says
// what it did by a status: 0 is taken, one of Later asks to come again later, every other refuses the report for good.
// What a procedure that does not take a report has written is rolled back.
type Procedure struct {
	Name    Table
	Status  string // OUTPUT parameter with the status; empty means what the procedure returns
	Message string // OUTPUT parameter with what the employee is told of a refusal; empty means there is none
	Later   []int64
}

// InboxColumn is one column of an inbox row, or one parameter. From is employee_no, submitted_at, report_id, type or
// fields.NAME; empty means the constant Value. Map translates; a value it does not list refuses the report.
type InboxColumn struct {
	Name  string
	From  string
	Value string
	Map   map[string]string
	Line  int
}

// Inbox returns where reports of a type go, or nil.
func (p *Plan) Inbox(reportType string) *Inbox {
	for _, in := range p.Inboxes {
		if in.Type == reportType {
			return in
		}
	}
	return nil
}

// Object names what the inbox writes to, for a message.
func (in *Inbox) Object() string {
	if in.Procedure != nil {
		return "procedure " + in.Procedure.Name.String()
	}
	return "table " + in.Table.String()
}

func (in *Inbox) describe(w io.Writer) {
	fmt.Fprintf(w, "inbox %q %q %q\n", in.Type, in.Table, in.ID)
	if p := in.Procedure; p != nil {
		fmt.Fprintf(w, "procedure %q %q %q %v\n", p.Name, p.Status, p.Message, p.Later)
	}
	for _, c := range in.Columns {
		fmt.Fprintf(w, "column %q %q %q %q\n", c.Name, c.From, c.Value, c.Map)
	}
}

// inboxes reads where reports go.
func (r *reader) inboxes(e entry) []*Inbox {
	var inboxes []*Inbox
	for _, t := range r.mapping(e.value, e.path) {
		inboxes = append(inboxes, r.inbox(t))
	}
	return inboxes
}

func (r *reader) inbox(t entry) *Inbox {
	in := &Inbox{Type: t.key, Line: line(t.at)}
	var schema, list string
	p := Procedure{}
	given := map[string]entry{}
	note := func(e entry) { given[e.key] = e }
	r.keys(t.value, t.path, map[string]func(entry){
		"schema":     func(e entry) { schema = r.text(e) },
		"table":      func(e entry) { note(e); in.Table.Name = r.text(e) },
		"procedure":  func(e entry) { note(e); p.Name.Name = r.text(e) },
		"id":         func(e entry) { in.ID = r.text(e) },
		"columns":    func(e entry) { note(e); in.Columns = r.inboxColumns(e) },
		"parameters": func(e entry) { note(e); in.Columns = r.inboxColumns(e) },
		"status":     func(e entry) { note(e); p.Status = r.text(e) },
		"message":    func(e entry) { note(e); p.Message = r.text(e) },
		"later":      func(e entry) { note(e); p.Later = r.numbers(e) },
	}, "id")
	others, wanted := []string{"procedure", "parameters", "status", "message", "later"}, "columns"
	if list = "columns"; p.Name.Name != "" {
		p.Name.Schema, in.Procedure = schema, &p
		others, wanted, list = []string{"table", "columns"}, "parameters", "parameters"
		r.parameterNames(t, in)
	} else {
		in.Table.Schema = schema
		if in.Table.Name == "" && given["table"].at == nil {
			r.fail(t.at, t.path, "needs a table or a procedure that takes the report")
			return in
		}
	}
	for _, key := range others {
		if e, ok := given[key]; ok {
			r.fail(e.at, e.path, "does not go with a %s; remove one of them", map[bool]string{true: "procedure", false: "table"}[in.Procedure != nil])
		}
	}
	if _, ok := given[wanted]; !ok {
		r.fail(t.at, t.path, "lacks the key %s; add it", wanted)
	}
	for _, c := range in.Columns {
		if strings.EqualFold(c.Name, in.ID) {
			r.fail(t.at, t.path+"."+list+"."+c.Name, "is used for the report's id already; remove it here")
		}
	}
	return in
}

// parameterPattern is what T-SQL takes for a parameter without its @; there is no way to quote one.
var parameterPattern = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_$#]*$`)

// parameterNames checks that every parameter can be named in a call, and is named once.
func (r *reader) parameterNames(t entry, in *Inbox) {
	seen := map[string]bool{}
	names := []string{in.ID, in.Procedure.Status, in.Procedure.Message}
	for _, c := range in.Columns {
		names = append(names, c.Name)
	}
	for _, name := range names {
		switch {
		case name == "":
		case !parameterPattern.MatchString(name) || strings.HasPrefix(strings.ToLower(name), reservedPrefix):
			r.fail(t.at, t.path, "%q is not the name of a parameter; write it without the @, in letters and digits", name)
		case seen[strings.ToLower(name)]:
			r.fail(t.at, t.path, "names the parameter %s twice; keep one", name)
		}
		seen[strings.ToLower(name)] = true
	}
}

// numbers reads a list of whole numbers; a single one counts as a list of one.
func (r *reader) numbers(e entry) []int64 {
	items := []ast.Node{e.value}
	if sequence, ok := e.value.(*ast.SequenceNode); ok {
		items = sequence.Values
	}
	var list []int64
	for _, item := range items {
		spelling, _, _ := scalar(item)
		n, err := strconv.ParseInt(spelling, 10, 32)
		if err != nil || n == 0 {
			r.fail(item, e.path, "%q is not a status that asks to come later; write a whole number other than 0", spelling)
			continue
		}
		list = append(list, n)
	}
	return list
}

func (r *reader) inboxColumns(e entry) []InboxColumn {
	var columns []InboxColumn
	for _, c := range r.mapping(e.value, e.path) {
		column := InboxColumn{Name: c.key, Line: line(c.at)}
		if _, _, plain := scalar(c.value); plain {
			column.From = r.from(c)
			columns = append(columns, column)
			continue
		}
		sources := 0
		r.keys(c.value, c.path, map[string]func(entry){
			"from":  func(e entry) { sources++; column.From = r.from(e) },
			"value": func(e entry) { sources++; column.Value, _, _ = scalar(e.value) },
			"map":   func(e entry) { column.Map = r.inboxMap(e) },
		})
		if sources != 1 || column.Map != nil && column.From == "" {
			r.fail(c.at, c.path, "needs exactly one of from (with or without a map) and value")
		}
		columns = append(columns, column)
	}
	return columns
}

func (r *reader) inboxMap(e entry) map[string]string {
	codes := map[string]string{}
	for _, code := range r.mapping(e.value, e.path) {
		v, _, plain := scalar(code.value)
		if _, nested := code.value.(*ast.SequenceNode); nested || !plain {
			r.fail(code.at, code.path, "needs a single value")
		}
		codes[code.key] = v
	}
	return codes
}

// from reads which part of a report fills a column.
func (r *reader) from(e entry) string {
	s := r.text(e)
	known := []string{"employee_no", "submitted_at", "type", "report_id"}
	name, isField := strings.CutPrefix(s, "fields.")
	if s != "" && !slices.Contains(known, s) && (!isField || name == "") {
		r.fail(e.at, e.path, "%q is not a part of a report; use one of %s, fields.NAME", s, list(known))
	}
	return s
}
