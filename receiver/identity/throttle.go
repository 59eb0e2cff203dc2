package identity

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Limits of guessing. A person who mistypes is not held up; somebody who guesses is.
const (
	pairFree     = 5  // attempts at one username from one address without waiting
	userFree     = 20 // at one username from anywhere: a stranger must not lock its owner out at once
	addressFree  = 30 // attempts from one address without waiting: offices share addresses
	attemptAge   = 30 * time.Minute
	firstWait    = 15 * time.Second // after the free attempts; doubles with each further one
	longestWait  = 15 * time.Minute
	ipv6PrefixOf = 64 // a household or office has one; its addresses are free to choose
)

// Attempts is what is known of a throttle key after an attempt was counted.
type Attempts struct {
	Count  int       // the new one included
	Before time.Time // when the attempt before was; zero when there was none
}

// ThrottledError says that the visitor must wait before the next attempt.
type ThrottledError struct{ Until time.Time }

func (e *ThrottledError) Error() string {
	return "too many sign-in attempts: wait until " + e.Until.UTC().Format(time.RFC3339)
}

// admit counts the attempt before anything is verified, so that attempts side by side count too.
func (i *Identity) admit(ctx context.Context, keys throttleKeys) error {
	now := i.now()
	for _, k := range []struct {
		key  string
		free int
	}{{keys.pair, pairFree}, {keys.user, userFree}, {keys.address, addressFree}} {
		a, err := i.users.CountAttempt(ctx, k.key, now, attemptAge)
		if err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		if until := a.Before.Add(waitAfter(a.Count-1, k.free)); until.After(now) {
			i.log.WarnContext(ctx, "sign-in throttled", "attempt", a.Count)
			return &ThrottledError{Until: now.Add(waitAfter(a.Count, k.free))}
		}
	}
	return nil
}

// waitAfter is how long to wait after that many attempts.
func waitAfter(attempts, free int) time.Duration {
	if attempts < free {
		return 0
	}
	wait := firstWait
	for range attempts - free {
		if wait *= 2; wait >= longestWait {
			return longestWait
		}
	}
	return wait
}

// throttleKeys are what one attempt counts against.
type throttleKeys struct{ pair, user, address string }

func keysOf(folded, address string) throttleKeys {
	at := addressKey(address)
	return throttleKeys{pair: "pair " + at + " " + folded, user: "user " + folded, address: at}
}

func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "address unknown"
	}
	if ip = ip.Unmap(); ip.Is6() {
		return "address " + netip.PrefixFrom(ip.WithZone(""), ipv6PrefixOf).Masked().String()
	}
	return "address " + ip.String()
}
