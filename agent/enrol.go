package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/push"
	"lessor.dk/portalsync/protocol"
)

// enrolTimeout is how long enrolment goes on trying to reach the receiver.
const enrolTimeout = 2 * time.Minute

func newEnrol(s *settings) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "enrol [CODE]",
		Short: "Make this computer an agent of the customer that the code is for",
		Long: "Make this computer an agent of the customer that the code is for. Without CODE the code is the first line of\n" +
			"standard input, which keeps it out of the list of processes.",
		Args: cobra.ArbitraryArgs, // a code pasted with blanks is several
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			code, err := readCode(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			ctx, stop := context.WithTimeout(cmd.Context(), timeout)
			defer stop()
			e := &enrolment{cfg: cfg, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr()}
			return e.run(ctx, code)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", enrolTimeout, "how long to go on trying to reach the receiver")
	return cmd
}

func readCode(in io.Reader, args []string) (protocol.InviteCode, error) {
	var text string
	if len(args) > 0 {
		text = strings.Join(args, " ")
	} else {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return protocol.InviteCode{}, fmt.Errorf("read the code: %w", err)
		}
		text = line
	}
	if text = strings.TrimSpace(text); text == "" {
		return protocol.InviteCode{}, errors.New("no code: give the one that the customer's administrator was shown")
	}
	code, err := protocol.ParseInviteCode(text)
	if err != nil {
		return code, fmt.Errorf("%w: compare it with the one that the customer's administrator was shown", err)
	}
	return code, nil
}

// enrolment is one attempt to become an agent. The keys are kept before the first request, so that a
// lost answer is asked for again with the same keys.
type enrolment struct {
	cfg      *config.Config
	out      io.Writer
	progress io.Writer
	trouble  string // the last sentence told
}

func (e *enrolment) run(ctx context.Context, code protocol.InviteCode) error {
	keys, err := keystore.Open(e.cfg.State)
	if err != nil {
		return err
	}
	id, err := keys.Prepare(e.cfg.Receiver, code.Root)
	if err != nil {
		return err
	}
	if id.Enrolled() {
		return fmt.Errorf("this computer is enrolled already, for %s as agent %d: to enrol it anew, move %s away first", id.Customer, id.Agent, e.cfg.State)
	}
	client, err := e.client(id)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("ask for this computer's name: %w", err)
	}
	a, err := client.Enrol(ctx, code, protocol.EnrolRequest{
		InstallID: id.InstallID, Hostname: host, Agent: version, Platform: daemon.Platform(), MainSystem: mainsystem.Make(e.cfg),
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && e.trouble != "" {
			return fmt.Errorf("not enrolled: %s", e.trouble)
		}
		return fmt.Errorf("not enrolled: %w", err)
	}
	id.Agent, id.Tenant, id.Stream, id.Customer = a.Agent, a.Tenant, a.Stream, a.Customer
	if err := keys.Save(id); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Enrolled for %s as agent %d.\nCompare this fingerprint with the portal's: %s\n",
		a.Customer, a.Agent, protocol.Fingerprint(id.Sign.Public(), id.Seal.Public().Bytes()))
	return nil
}

func (e *enrolment) client(id *keystore.Identity) (*push.Client, error) {
	cfg, err := daemon.PushConfig(e.cfg, version, nil)
	if err != nil {
		return nil, err
	}
	cfg.Trouble = func(code, sentence string) {
		if code != "" && sentence != e.trouble {
			fmt.Fprintln(e.progress, sentence)
		}
		e.trouble = sentence
	}
	return push.New(e.cfg.Receiver, push.Identity{Sign: id.Sign, Seal: id.Seal, Root: id.Root}, cfg)
}
