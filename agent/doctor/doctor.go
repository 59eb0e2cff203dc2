// Package doctor looks for what keeps an agent from working, before it is installed and after: each
// finding is one sentence that says what is wrong, where, and what to do, under a stable code.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/plan"
)

// Codes of findings. Those of the way to the receiver are the codes of package push. They are stable:
// operations and documentation rely on them.
const (
	CodePlan        = "plan-wrong"         // the plan file cannot be used
	CodeIdentity    = "identity-damaged"   // the agent's keys cannot be read
	CodeNotEnrolled = "not-enrolled"       // no keys yet
	CodeSource      = "source-gone"        // the main system's database cannot be read
	CodeDrift       = "source-drift"       // a planned table is not as the plan says
	CodeSettings    = "settings-wrong"     // a setting cannot be used
	CodeDisk        = "disk-full"          // too little space for keys and logs
	CodeState       = "state-not-writable" // keys cannot be kept
)

// Limits of what is fine.
const (
	minFree     = 50 << 20 // bytes on the disk of the state directory
	maxClockOff = time.Minute
	askTimeout  = 20 * time.Second
)

// Finding is the outcome of one check. Code is empty when all is well.
type Finding struct {
	Check     string `json:"check"`
	Code      string `json:"code,omitempty"`
	Note      bool   `json:"note,omitempty"` // it works as it is, and somebody should know
	Sentence  string `json:"sentence"`
	Statement string `json:"statement,omitempty"` // T-SQL for the database's administrator that mends it
}

// OK reports whether nothing is wrong.
func (f Finding) OK() bool { return f.Code == "" || f.Note }

func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, Sentence: fmt.Sprintf(format, args...)}
}

func wrong(check, code, format string, args ...any) Finding {
	return Finding{Check: check, Code: code, Sentence: fmt.Sprintf(format, args...)}
}

// Doctor checks one agent's surroundings. It changes nothing and sends nothing of the main system.
type Doctor struct {
	cfg     *config.Config
	version string
}

// New returns a Doctor of the settings.
func New(cfg *config.Config, version string) *Doctor { return &Doctor{cfg: cfg, version: version} }

// Examine runs every check and yields its findings as they come, also after one has found something.
func (d *Doctor) Examine(ctx context.Context, yield func(Finding)) {
	d.disk(yield)
	if p := d.plan(yield); p != nil {
		d.mainSystem(ctx, p, yield)
	}
	d.receiver(ctx, d.identity(yield), yield)
}

// CheckPlan holds the plan against the live database, and nothing else.
func (d *Doctor) CheckPlan(ctx context.Context, yield func(Finding)) {
	if p := d.plan(yield); p != nil {
		d.mainSystem(ctx, p, yield)
	}
}

func (d *Doctor) plan(yield func(Finding)) *plan.Plan {
	const check = "plan"
	p, err := plan.Load(d.cfg.Plan)
	var mistakes interface{ Unwrap() []error }
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes.Unwrap() {
			yield(wrong(check, CodePlan, "%v.", m))
		}
		return nil
	case err != nil:
		yield(wrong(check, CodePlan, "%v.", err))
		return nil
	}
	yield(ok(check, "%s plans %d record kinds from %d tables.", d.cfg.Plan, len(p.Kinds), len(p.Tables())))
	return p
}

// identity returns who the agent is, nil if nobody.
func (d *Doctor) identity(yield func(Finding)) *keystore.Identity {
	const check = "identity"
	if _, err := os.Stat(d.cfg.State); errors.Is(err, os.ErrNotExist) {
		yield(notEnrolled(d.cfg.State))
		return nil
	}
	keys, err := keystore.Open(d.cfg.State)
	if err != nil {
		yield(wrong(check, CodeIdentity, "%v.", err))
		return nil
	}
	id, err := keys.Load()
	switch {
	case errors.Is(err, keystore.ErrEmpty), err == nil && !id.Enrolled():
		yield(notEnrolled(d.cfg.State))
		return nil
	case err != nil:
		yield(wrong(check, CodeIdentity, "%v.", err))
		return nil
	}
	yield(ok(check, "Enrolled for %s as agent %d.", id.Customer, id.Agent))
	return id
}

func notEnrolled(state string) Finding {
	return wrong("identity", CodeNotEnrolled, "This computer is not enrolled (no identity in %s): ask the customer's administrator for a code and run agent enrol.", state)
}
