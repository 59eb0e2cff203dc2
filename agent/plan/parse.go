package plan

import (
	"cmp"
	"errors"
	"slices"
	"time"

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
	p := &Plan{Name: name}
	if root := r.document(b); root != nil {
		r.keys(root, "", map[string]func(entry){
			"version": func(e entry) {
				if v, _, _ := scalar(e.value); v != "1" {
					r.fail(e.at, e.path, "is not a version that this program reads; write 1")
				}
			},
			"timezone": func(e entry) { p.Timezone = r.timezone(e) },
			"kinds":    func(e entry) {},
			"inbox":    func(e entry) { p.Inboxes = r.inboxes(e) },
		}, "version", "timezone", "kinds")
		if p.Timezone == nil {
			p.Timezone = time.UTC
		}
		// The kinds' constants need the timezone, wherever in the file it stands.
		for _, e := range r.mapping(root, "") {
			if e.key == "kinds" {
				p.Kinds = r.kinds(e, p.Timezone)
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

func (r *reader) kinds(e entry, zone *time.Location) []*Kind {
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
		kinds = append(kinds, r.kind(k, rec, zone))
	}
	slices.SortFunc(kinds, func(a, b *Kind) int {
		return cmp.Compare(record.Order(a.Record.Name), record.Order(b.Record.Name))
	})
	return kinds
}

func (r *reader) kind(e entry, rec *record.Kind, zone *time.Location) *Kind {
	k := &Kind{Record: rec, Line: line(e.at)}
	var joins, fields, filter entry
	r.keys(e.value, e.path, map[string]func(entry){
		"schema": func(e entry) { k.Table.Schema = r.text(e) },
		"table":  func(e entry) { k.Table.Name = r.text(e) },
		"as":     func(e entry) { k.As = r.alias(e) },
		"key":    func(e entry) { k.Key = r.texts(e) },
		"join":   func(e entry) { joins = e },
		"fields": func(e entry) { fields = e },
		"filter": func(e entry) { filter = e },
		"poll":   func(e entry) { k.Poll = r.poll(e) },
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
	r.fields(fields, k, aliases, zone)
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
