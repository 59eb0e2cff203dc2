package relational

import "lessor.dk/portalsync/agent/plan"

// Between returns the joins that lead from the kind's own table to what the join j is linked to, in the order of
// the plan. Of a row that depends on a changed row of j all of them must meet one, so none is optional.
func Between(k *plan.Kind, j plan.Join) []plan.Join {
	needed := map[string]bool{}
	need := func(j plan.Join) {
		for _, on := range j.On {
			needed[on.Ref.Alias] = true
		}
	}
	need(j)
	var between []plan.Join
	for i := len(k.Joins) - 1; i >= 0; i-- {
		if earlier := k.Joins[i]; needed[earlier.As] && earlier.As != j.As {
			need(earlier)
			earlier.Optional = false
			between = append([]plan.Join{earlier}, between...)
		}
	}
	return between
}

// JoinsDecide reports whether a change in a joined table can take a row away: because the row needs a joined one,
// or because the filter looks at one. Otherwise dependents are no candidates for a delete, and rows outside the
// filter are not told as gone over and over.
func JoinsDecide(k *plan.Kind) bool {
	for _, j := range k.Joins {
		if !j.Optional {
			return true
		}
	}
	for _, ref := range k.Reads {
		if ref.Alias != k.As {
			return true
		}
	}
	return false
}
