package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/protocol"
)

func newVerify(s *settings) *cobra.Command {
	var repair, asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Have the running agent hold every record of the portal against the main system",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			p := &verifyPrinter{out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), json: asJSON}
			if err := daemon.AskVerify(cmd.Context(), cfg.Socket, repair, p.tell); err != nil {
				return err
			}
			if p.err != nil {
				return p.err
			}
			if p.found {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "send the rows that differ again")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON per record kind")
	return cmd
}

// progressEvery is how often progress is printed.
const progressEvery = time.Second

// verifyPrinter prints what a verification says.
type verifyPrinter struct {
	out, progress io.Writer
	json          bool
	last          time.Time // of the last progress
	found         bool      // something differs still, or has no outcome
	err           error
}

func (p *verifyPrinter) tell(n capture.VerifyNews) {
	v := n.Outcome
	switch {
	case v == nil && (p.json || time.Since(p.last) < progressEvery):
		return
	case v == nil && n.WaitsFor != "":
		p.last = time.Now()
		fmt.Fprintf(p.progress, "waiting for the %s since %s\n", n.WaitsFor, time.UnixMilli(n.Since).Format(time.TimeOnly))
		return
	case v == nil:
		p.last = time.Now()
		pass := "reading"
		switch {
		case n.Second:
			pass = "looking at what differs"
		case n.Anew:
			pass = "sending all of it again"
		}
		fmt.Fprintf(p.progress, "%s: %s, %d of about %d rows\n", n.Kind, pass, n.Rows, max(n.Total, n.Rows))
		return
	}
	p.found = p.found || !v.Equal() && !v.Mended
	if !p.json {
		fmt.Fprintln(p.out, verifySentence(*v))
		return
	}
	if err := json.NewEncoder(p.out).Encode(v); err != nil {
		p.err = fmt.Errorf("print outcome: %w", err)
	}
}

// verifySentence says the outcome of one kind.
func verifySentence(v protocol.Verification) string {
	at := fmt.Sprintf("%s, position %d, %d rows", time.UnixMilli(v.At).Format("15:04"), v.Position, v.Rows)
	if v.Unreadable > 0 {
		at += fmt.Sprintf(", %d of them cannot be sent", v.Unreadable)
	}
	least := ""
	if v.AtLeast {
		least = "at least "
	}
	switch {
	case v.Error != "":
		return fmt.Sprintf("%s: not verified: %s", v.Kind, v.Error)
	case v.Equal():
		return fmt.Sprintf("%s: verified equal %s", v.Kind, at)
	case v.Mended:
		return fmt.Sprintf("%s: %s%d rows differed and were mended, %s", v.Kind, least, v.Differences, at)
	}
	return fmt.Sprintf("%s: %s%d rows differ, %s: agent verify --repair sends them again", v.Kind, least, v.Differences, at)
}
