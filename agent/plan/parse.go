package plan

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol/record"
)

// Limits of a poll interval.
const (
	minPoll = 100 * time.Millisecond
	maxPoll = 24 * time.Hour
)

// Parse checks the text of a plan; name is the file's, for messages. The error joins one [*Error] per mistake.
func Parse(name string, b []byte) (*Plan, error) {
	r := &reader{file: name}
	p := &Plan{Name: name, Mode: ChangeTracking}
	if root := r.document(b); root != nil {
		r.keys(root, "", map[string]func(entry){
			"version": func(e entry) {
				if v, _, _ := scalar(e.value); v != "1" {
					r.fail(e.at, e.path, "is not a version that this program reads; write 1")
				}
			},
			"timezone": func(e entry) { p.Timezone = r.timezone(e) },
			"mode":     func(e entry) { p.Mode = r.mode(e, ChangeTracking, Rowversion) },
			"kinds":    func(e entry) {},
			"quiet":    func(e entry) { p.Quiet = r.windows(e) },
			"inbox":    func(e entry) { p.Inboxes = r.inboxes(e) },
		}, "version", "timezone", "kinds")
		if p.Timezone == nil {
			p.Timezone = time.UTC
		}
		// The kinds need the timezone and the mode, wherever in the file they stand.
		for _, e := range r.mapping(root, "") {
			if e.key == "kinds" {
				p.Kinds = r.kinds(e, p)
			}
		}
	}
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b error) int { return cmp.Compare(lineOf(a), lineOf(b)) })
		return nil, errors.Join(slices.CompactFunc(r.errs, func(a, b error) bool { return a.Error() == b.Error() })...)
	}
	return p, nil
}

func lineOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Line
	}
	return 0
}

func (r *reader) timezone(e entry) *time.Location {
	name := r.text(e)
	if name == "" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		r.fail(e.at, e.path, "%q is not a timezone; write a name like Europe/Copenhagen", name)
		return nil
	}
	return zone
}

// mode reads one of the modes that may stand here.
func (r *reader) mode(e entry, known ...Mode) Mode {
	m := Mode(r.text(e))
	if m == "" || slices.Contains(known, m) {
		return m
	}
	switch {
	case m == Compare:
		r.fail(e.at, e.path, "is for single kinds; write mode: compare below the kind, and %s or %s here", ChangeTracking, Rowversion)
	case m == ChangeTracking || m == Rowversion:
		r.fail(e.at, e.path, "mixes %s with the plan's %s; they count positions differently and a stream has only one, so let all kinds be %s, or this one %s",
			m, known[0], known[0], Compare)
	default:
		r.fail(e.at, e.path, "%q is not a mode; use one of %s, %s, %s", string(m), ChangeTracking, Rowversion, Compare)
	}
	return known[0]
}

func (r *reader) kinds(e entry, p *Plan) []*Kind {
	var kinds []*Kind
	for _, k := range r.mapping(e.value, e.path) {
		rec := record.ByName(k.key)
		if rec == nil {
			var names []string
			for _, known := range record.All() {
				names = append(names, known.Name)
			}
			r.fail(k.at, k.path, "is not a record kind of the portal%s", didYouMean(k.key, names))
			continue
		}
		kinds = append(kinds, r.kind(k, rec, p))
	}
	slices.SortFunc(kinds, func(a, b *Kind) int {
		return cmp.Compare(record.Order(a.Record.Name), record.Order(b.Record.Name))
	})
	return kinds
}

func (r *reader) kind(e entry, rec *record.Kind, p *Plan) *Kind {
	k := &Kind{Record: rec, Mode: p.Mode, Line: line(e.at)}
	k.Quiet = source.Quiet{Zone: p.Timezone, Windows: slices.Clone(p.Quiet)}
	var joins, fields, filter entry
	r.keys(e.value, e.path, map[string]func(entry){
		"schema": func(e entry) { k.Table.Schema = r.text(e) },
		"table":  func(e entry) { k.Table.Name = r.text(e) },
		"as":     func(e entry) { k.As = r.alias(e) },
		"key":    func(e entry) { k.Key = r.texts(e) },
		"join":   func(e entry) { joins = e },
		"fields": func(e entry) { fields = e },
		"filter": func(e entry) { filter = e },
		"mode":   func(e entry) { k.Mode = r.mode(e, p.Mode, Compare) },
		"poll":   func(e entry) { k.Poll = r.poll(e) },
		"quiet":  func(e entry) { k.Quiet.Windows = append(k.Quiet.Windows, r.windows(e)...) },
	}, "table", "as", "key", "fields")
	if k.As == "" || fields.value == nil {
		return k // the missing key is told; what follows would only repeat it
	}
	aliases := []string{k.As}
	if joins.value != nil {
		k.Joins, aliases = r.joins(joins, aliases)
	}
	if filter.value != nil {
		k.Filter = r.text(filter)
		k.Reads = r.sql(filter, k.Filter, aliases)
	}
	r.fields(fields, k, aliases, p.Timezone)
	return k
}

func (r *reader) poll(e entry) time.Duration {
	d, err := time.ParseDuration(r.text(e))
	if err != nil || d < minPoll || d > maxPoll {
		r.fail(e.at, e.path, "is not an interval between %s and %s; write something like 5s", minPoll, maxPoll)
		return 0
	}
	return d
}

// didYouMean names the nearest of the known names, or all of them when none is near.
func didYouMean(name string, known []string) string {
	best, distance := "", 4
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	return "; use one of " + list(known)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
