package doctor

import (
	"context"
	"log/slog"
	"time"

	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/push"
	"lessor.dk/portalsync/protocol"
)

// receiver fetches the receiver's keys once, which needs no enrolment, and judges what comes back: name,
// route, certificate, root and clock. id is nil before enrolment: then no root is pinned yet, and whatever
// shows keys at all is as good as can be told.
func (d *Doctor) receiver(ctx context.Context, id *keystore.Identity, yield func(Finding)) {
	const check = "receiver"
	cfg, err := daemon.PushConfig(d.cfg, d.version, slog.New(slog.DiscardHandler))
	if err != nil {
		yield(wrong(check, CodeSettings, "%v.", err))
		return
	}
	ctx, stop := context.WithTimeout(ctx, askTimeout)
	defer stop()
	var trouble Finding
	cfg.Trouble = func(code, sentence string) {
		if code != "" {
			trouble = Finding{Check: check, Code: code, Sentence: sentence}
			stop() // one attempt says it all
		}
	}
	stranger, err := identity(id)
	if err != nil {
		yield(wrong(check, CodeSettings, "%v.", err))
		return
	}
	client, err := push.New(d.cfg.Receiver, stranger, cfg)
	if err != nil {
		yield(wrong(check, CodeSettings, "%v: correct it in %s.", err, d.cfg.File))
		return
	}
	_, err = client.Keyset(ctx)
	switch {
	case err == nil, id == nil && trouble.Code == push.TroubleKeyset:
		yield(ok(check, "%s answers; its certificate is issued by %q.", d.cfg.Receiver, client.Issuer()))
	case trouble.Code != "":
		yield(trouble)
		return
	default:
		yield(wrong(check, push.TroubleTimeout, "%s did not answer within %s: check the address and that the firewall lets this computer out to it.", d.cfg.Receiver, askTimeout))
		return
	}
	yield(clock(client.Skew()))
}

// identity is the agent's without the keys it holds of the receiver, so that they are fetched, or a stranger's.
func identity(id *keystore.Identity) (push.Identity, error) {
	if id != nil {
		return push.Identity{Sign: id.Sign, Seal: id.Seal, Root: id.Root}, nil
	}
	seal, err := protocol.NewSealingKey()
	return push.Identity{Sign: protocol.NewSigningKey(), Seal: seal}, err
}

func clock(skew time.Duration) Finding {
	const check = "clock"
	direction := "behind"
	if skew < 0 {
		direction = "ahead of"
	}
	if skew.Abs() > maxClockOff {
		return wrong(check, push.TroubleClock, "This computer's clock is %s %s the receiver's: set it, or let it follow a time server; until then the agent corrects for it.", skew.Abs().Round(time.Second), direction)
	}
	return ok(check, "The clock agrees with the receiver's to within %s.", maxClockOff)
}
