package capture

import (
	"context"
	"time"

	"lessor.dk/portalsync/protocol"
)

// toldAnswer is what the portal said to a question of a comparison.
type toldAnswer struct {
	session  *session
	question *question
	answer   protocol.DigestAnswer
	err      error
}

// ask asks what a comparison wants to know, beside the owner.
func (r *runner) ask(ctx context.Context) {
	c := r.c
	q := c.ask()
	if q == nil {
		return
	}
	done := toldAnswer{session: c.session, question: q}
	r.asking = true
	asking, cancel := context.WithCancel(ctx)
	r.cancelAsk = cancel
	r.wait.Go(func() {
		defer cancel()
		done.answer, done.err = c.answer(asking, q)
		r.told <- done
	})
}

// answered takes an answer. After one that failed the next question waits.
func (r *runner) answered(ctx context.Context, t toldAnswer) {
	r.asking = false
	if t.err == nil {
		r.askTries = 0
	} else if t.session == r.c.session {
		r.askAt = time.Now().Add(pauseAfter(t.err, r.askTries))
		r.askTries++
	}
	r.c.answered(ctx, t.session, t.question, t.answer, t.err)
}
