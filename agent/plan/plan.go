// Package plan reads the file in which the customer says which tables and columns of the main system
// leave the building, as which records. What the file does not name stays at home.
//
//	version: 1
//	timezone: Europe/Copenhagen            # how the database's local times are meant
//	mode: change-tracking                  # how changes are found; or rowversion. A kind may say mode: compare
//	kinds:
//	  employee:                            # a record kind of the portal
//	    schema: dbo                        # optional
//	    table: Medarbejder                 # any legal table name, unquoted
//	    as: m                              # how columns below refer to it
//	    key: [MedarbejderNr]               # its primary key, as change tracking knows it
//	    join:                              # tables whose changes send the rows that use them again
//	      - table: Adresse
//	        as: a
//	        on: {AdresseID: m.AdresseID}   # at least one linked column belongs to the joined table's key
//	        first: [Nr]                    # where several rows match, the lowest of these decides; last: the highest
//	        optional: true                 # a row without a match is sent all the same
//	    fields:
//	      employee_no: m.MedarbejderNr
//	      name: {expr: "m.Fornavn || ' ' || m.Efternavn"}
//	      active: {column: m.Status, map: {A: true, F: false}, others: false}
//	      language: {value: da}
//	    filter: "m.Status <> 'X'"          # rows for which it is not true stay at home
//	    poll: 2s
//	    quiet: ["12:00-12:30"]             # times of day, in the plan's timezone, in which the kind is not looked at
//	quiet: ["06:00-08:00", "22:00-02:00"]  # the same for every kind
//	inbox:
//	  absence:                             # a type of report
//	    table: PortalIndberetning
//	    id: RapportID                      # column for the report's id
//	    columns:
//	      MedarbejderNr: employee_no
//	      Fra: fields.first_day
//	      Art: {from: fields.absence_type_no, map: {"1": F}}
//	      Kilde: {value: portal}
//	  mileage:
//	    schema: dbo
//	    procedure: IndlaesKoersel          # called instead, in the transaction that keeps the report's id
//	    id: RapportID                      # parameter for the report's id
//	    parameters: {Nr: employee_no, Km: fields.distance}
//	    status: Status                     # OUTPUT parameter with a whole number; without it what the procedure returns
//	    message: Besked                    # OUTPUT parameter with what the employee is told of a refusal
//	    later: [90]                        # statuses that mean try again later. 0 is taken; all others refuse
//
// A column reference is alias.column: everything after the first point is the column's name, quoted for
// the database at hand. expr and filter are the customer's own SQL and used word for word inside
// parentheses; they may not read other tables nor the clock, because such changes cannot be noticed.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no timezone database that Go reads

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Plan is a checked plan file. It is read-only.
type Plan struct {
	// Name is the file's name, for messages.
	Name string
	// Timezone is what the database's local times mean.
	Timezone *time.Location
	// Mode is how changes are found in all kinds that do not compare: [ChangeTracking] or [Rowversion]. They count
	// positions differently and a stream has one position, so a plan has one of them.
	Mode Mode
	// Kinds are the planned kinds, parents before children.
	Kinds []*Kind
	// Quiet are the times of day in which no kind is looked at. They are part of every kind's.
	Quiet []source.Window
	// Inboxes say where reports go, in the order of the file.
	Inboxes []*Inbox
}

// Mode is a way to find changes, spelled as plans spell it.
type Mode string

// The modes.
const (
	// ChangeTracking asks the database's own record of changes, which must be switched on for every table.
	ChangeTracking Mode = "change-tracking"
	// Rowversion asks every table's rowversion column; what was deleted is found by digests.
	Rowversion Mode = "rowversion"
	// Compare reads everything and compares digests with the portal. It asks nothing of the table, which may be a view.
	Compare Mode = "compare"
)

// Table names a table or view. Schema is empty for the database's default.
type Table struct{ Schema, Name string }

// String returns the name for messages; it is not quoted for SQL.
func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Kind says how the rows of a table become records of one kind.
type Kind struct {
	Record *record.Kind
	Table  Table
	As     string
	Key    []string
	Joins  []Join
	// Fields are the planned fields in the record kind's order.
	Fields []Field
	Filter string // SQL; empty takes every row
	// Reads are the columns that Filter names.
	Reads []Ref
	// Mode is the plan's, or [Compare].
	Mode Mode
	Poll time.Duration
	// Quiet are the times of day in which the kind is not looked at: the plan's and the kind's own, in the plan's timezone.
	Quiet source.Quiet
	Line  int
}

// Join adds a table's columns to a kind's rows.
type Join struct {
	Table    Table
	As       string
	On       []On
	First    []string // of several matching rows the one with the lowest values here
	Last     []string // or the one with the highest values here
	Optional bool
	Line     int
}

// Pick returns the columns that choose among several matching rows: First or Last, whichever is given.
func (j Join) Pick() []string {
	if j.First != nil {
		return j.First
	}
	return j.Last
}

// On is one condition of a join: the joined table's column equals a column of an earlier table, or a constant.
type On struct {
	Column string
	Ref    Ref    // zero if a constant
	Value  string // the constant, as SQL sees it; numbers unquoted
	Text   bool   // the constant is a text
}

// IsLink reports whether the condition links two tables.
func (o On) IsLink() bool { return o.Ref != Ref{} }

// Ref is a column of one of the kind's tables.
type Ref struct{ Alias, Column string }

// String returns the reference as plans spell it.
func (r Ref) String() string { return r.Alias + "." + r.Column }

// Field says where a record's field comes from: exactly one of Column, Expr and Value.
type Field struct {
	record.Field
	Column Ref
	Expr   string
	Value  *protocol.Value
	// Map translates codes; nil takes the value as it is.
	Map map[string]protocol.Value
	// Others is what codes outside Map become; nil leaves their rows out.
	Others *protocol.Value
	// Reads are the columns that Column or Expr name.
	Reads []Ref
	Line  int
}

// Load reads and checks a plan file.
func Load(path string) (*Plan, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the plan %s does not exist: write it, or set plan in the agent's settings to where it is", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return Parse(path, b)
}

// Kind returns the planned kind of that name, or nil.
func (p *Plan) Kind(name string) *Kind {
	for _, k := range p.Kinds {
		if k.Record.Name == name {
			return k
		}
	}
	return nil
}

// Tables lists every table the kinds read, each once: those whose changes must be tracked.
func (p *Plan) Tables() []Table {
	var tables []Table
	seen := map[Table]bool{}
	add := func(t Table) {
		if !seen[t] {
			seen[t] = true
			tables = append(tables, t)
		}
	}
	for _, k := range p.Kinds {
		add(k.Table)
		for _, j := range k.Joins {
			add(j.Table)
		}
	}
	return tables
}

// Use is one column that a kind reads, and what for.
type Use struct {
	Ref
	For string // a field's name, "key", "join" or "filter"
}

// Uses lists the columns the kind reads, of the main and the joined tables: all of them, because a source does not
// read a kind whose SQL names a column without its alias.
func (k *Kind) Uses() []Use {
	var uses []Use
	for _, column := range k.Key {
		uses = append(uses, Use{Ref{k.As, column}, "key"})
	}
	for _, j := range k.Joins {
		for _, on := range j.On {
			uses = append(uses, Use{Ref{j.As, on.Column}, "join"})
			if on.IsLink() {
				uses = append(uses, Use{on.Ref, "join"})
			}
		}
		for _, column := range j.Pick() {
			uses = append(uses, Use{Ref{j.As, column}, "join"})
		}
	}
	for _, ref := range k.Reads {
		uses = append(uses, Use{ref, "filter"})
	}
	for _, f := range k.Fields {
		for _, ref := range f.Reads {
			uses = append(uses, Use{ref, f.Name})
		}
	}
	return uses
}

// TableOf returns the table behind an alias of the kind.
func (k *Kind) TableOf(alias string) Table {
	for _, j := range k.Joins {
		if j.As == alias {
			return j.Table
		}
	}
	return k.Table
}

// Schema returns the kind's fields as they are sent.
func (k *Kind) Schema() (protocol.Schema, error) {
	names := make([]string, len(k.Fields))
	for i, f := range k.Fields {
		names[i] = f.Name
	}
	return protocol.NewSchema(k.Record, names)
}

// Hash identifies what the plan says, independent of comments, order and spelling of the file.
func (p *Plan) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "plan 1 %q\n", p.Timezone)
	if p.Mode != ChangeTracking {
		fmt.Fprintf(h, "mode %q\n", p.Mode)
	}
	for _, k := range p.Kinds {
		k.describe(h)
		fmt.Fprintf(h, "poll %d\n", k.Poll)
		if len(k.Quiet.Windows) > 0 {
			fmt.Fprintf(h, "quiet %v\n", k.Quiet.Windows)
		}
	}
	for _, in := range p.Inboxes {
		in.describe(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Mapping identifies how the kind's rows become records: with another mapping the same rows are other
// records, so everything must be read again.
func (p *Plan) Mapping(k *Kind) string {
	h := sha256.New()
	fmt.Fprintf(h, "mapping 1 %q\n", p.Timezone)
	k.describe(h)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (k *Kind) describe(w io.Writer) {
	fmt.Fprintf(w, "kind %q %q %q %q %q\n", k.Record.Name, k.Table, k.As, k.Key, k.Filter)
	if k.Mode != ChangeTracking {
		fmt.Fprintf(w, "mode %q\n", k.Mode)
	}
	for _, j := range k.Joins {
		fmt.Fprintf(w, "join %q %q %q %q %t\n", j.Table, j.As, j.First, j.Last, j.Optional)
		for _, on := range j.On {
			fmt.Fprintf(w, "on %q %q %q %t\n", on.Column, on.Ref, on.Value, on.Text)
		}
	}
	for _, f := range k.Fields {
		fmt.Fprintf(w, "field %q %q %q\n", f.Name, f.Column, f.Expr)
		if f.Value != nil {
			describeCell(w, "value", *f.Value)
		}
		for _, code := range sortedKeys(f.Map) {
			describeCell(w, code, f.Map[code])
		}
		if f.Others != nil {
			describeCell(w, "others", *f.Others)
		}
	}
}

func describeCell(w io.Writer, name string, v protocol.Value) {
	fmt.Fprintf(w, "%q %d %d %q\n", name, v.Kind, v.N, v.S)
}

// Error is one mistake in a plan, as a sentence that says where it is and how to mend it.
type Error struct {
	File string
	Line int
	Key  string // path of keys, like kinds.employee.fields.name
	Text string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	return b.String() + e.Text
}
