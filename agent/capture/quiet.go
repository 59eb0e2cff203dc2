package capture

import (
	"slices"
	"time"

	"lessor.dk/portalsync/protocol"
)

// rest notes which kinds are left alone now. Such a kind is not polled, and neither loaded nor compared: its snapshot goes
// on where it stopped. A cut that another kind causes still covers it, because a stream has one position; it then reads
// what changed, and nothing else. While every kind rests the main system is not looked at at all, but for single rows that the portal asks for: it would not
// stop asking.
func (c *Capture) rest(now time.Time) {
	for i, k := range c.session.kinds {
		if k.quiet = k.Quiet.Until(now); k.resting() && c.polls[i].Before(k.quiet) {
			c.polls[i] = k.quiet
		}
	}
}

// resting reports whether the kind is left alone.
func (k *kind) resting() bool { return !k.quiet.IsZero() }

// idle reports whether every kind is left alone, and the portal asks for nothing.
func (s *session) idle() bool {
	return len(s.rereads) == 0 && !slices.ContainsFunc(s.kinds, func(k *kind) bool { return !k.resting() }) && len(s.kinds) > 0
}

// wakes returns when the first kind is looked at again.
func (s *session) wakes() time.Time {
	first := slices.MinFunc(s.kinds, func(a, b *kind) int { return a.quiet.Compare(b.quiet) })
	return first.quiet
}

// quietKinds lists the kinds that are left alone, as the status tells them.
func (s *session) quietKinds() []protocol.QuietKind {
	var list []protocol.QuietKind
	for _, k := range s.kinds {
		if k.resting() {
			list = append(list, protocol.QuietKind{Kind: k.name(), Until: k.quiet.UnixMilli()})
		}
	}
	return list
}
