package push

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	minWait = time.Second
	maxWait = 5 * time.Minute

	// Caps of Retry-After: what the receiver signed, and what anybody may have written.
	maxSignedWait   = time.Hour
	maxUnsignedWait = 5 * time.Minute
)

// fullJitter waits a random part of a span that doubles from 1 s to 5 min, so that agents that
// lost the receiver together do not come back together. What was asked for comes first, with up
// to a fifth on top.
func fullJitter(attempt int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked + rand.N(asked/5+1)
	}
	span := maxWait
	if attempt < 9 { // 2^9 s is past maxWait
		span = min(maxWait, minWait<<attempt)
	}
	return rand.N(span) + 1
}

// unsignedRetryAfter reads the header of an answer that nobody signed. Only seconds are read: a
// date would trust a clock.
func unsignedRetryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxUnsignedWait)
}
