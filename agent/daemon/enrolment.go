package daemon

import (
	"context"
	"errors"
	"os"
	"time"
)

// enrolPoll is how often a service that waits looks whether this computer has been enrolled.
const enrolPoll = 2 * time.Second

// errNotEnrolled is why an agent that is nobody yet cannot begin.
var errNotEnrolled = errors.New("this computer is not enrolled")

// Serve is Run for a service: on a computer that is not enrolled it waits, and begins by itself when it is,
// instead of ending and being started again for ever.
func (d *Daemon) Serve(ctx context.Context) error {
	if err := d.awaitEnrolment(ctx, managerOf(os.Getenv)); err != nil || ctx.Err() != nil {
		return err
	}
	return d.Run(ctx)
}

// awaitEnrolment returns when there is an identity, or when ctx ends. It says once what it waits for.
func (d *Daemon) awaitEnrolment(ctx context.Context, m manager) error {
	_, _, err := loadIdentity(d.cfg)
	if !errors.Is(err, errNotEnrolled) {
		return err
	}
	d.log.WarnContext(ctx, "waiting to be enrolled", "err", err)
	d.inform(ctx, m, "READY=1", "STATUS="+err.Error())
	tick := time.NewTicker(m.every(enrolPoll))
	defer tick.Stop()
	for errors.Is(err, errNotEnrolled) {
		select {
		case <-ctx.Done():
			d.inform(context.WithoutCancel(ctx), m, "STOPPING=1")
			return nil
		case <-tick.C:
			_, _, err = loadIdentity(d.cfg)
			d.inform(ctx, m, "WATCHDOG=1")
		}
	}
	return err
}
