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
	r.asked = q
	asking, cancel := context.WithCancel(ctx)
	r.cancelAsk = cancel
	r.wait.Go(func() {
		defer cancel()
		done.answer, done.err = c.answer(asking, q)
		r.told <- done
	})
}

// forgo ends a question whose comparison is no longer under way.
func (r *runner) forgo() {
	if s := r.c.session; r.asked != nil && r.asked.of != nil && (s == nil || s.comparing != r.asked.of) {
		r.cancelAsk()
	}
}

// answered takes an answer. After one that failed the next question waits.
func (r *runner) answered(ctx context.Context, t toldAnswer) {
	r.asked = nil
	s := r.c.session
	if t.err == nil {
		r.askTries = 0
	} else if t.session == s && (t.question.of == nil || t.question.of == s.comparing) {
		r.askAt = time.Now().Add(pauseAfter(t.err, r.askTries))
		r.askTries++
	}
	r.c.answered(ctx, t.session, t.question, t.answer, t.err)
}
