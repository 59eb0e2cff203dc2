package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/daemon"
)

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running agent how it is",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			st, err := daemon.AskStatus(cmd.Context(), cfg.Socket)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(st)
			}
			printStatus(cmd.OutOrStdout(), st)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(w io.Writer, s *daemon.Status) {
	c := s.Capture
	fmt.Fprintf(w, "%s, for %s as agent %d of %s (version %s, process %d, running %s)\n",
		c.State, s.Customer, s.Agent, s.Receiver, s.Version, s.Process, time.Since(s.Started).Round(time.Second))
	fmt.Fprintf(w, "position %d, %d rows sent, %d batches on their way, %d reports delivered, %d waiting\n",
		c.Position, c.RowsSent, c.BatchesOut, c.ReportsIn, s.Waiting)
	for _, l := range c.Loading {
		fmt.Fprintf(w, "loading %s: %d of about %d rows\n", l.Kind, l.Rows, l.Total)
	}
	if l := s.Load; l != nil {
		perMinute := time.Duration(float64(l.Spent) / max(1, time.Since(s.Started).Minutes()))
		fmt.Fprintf(w, "main system: %s of its time a minute", perMinute.Round(time.Millisecond))
		if l.Budget > 0 {
			fmt.Fprintf(w, ", of %s allowed; waited %s for that", l.Budget, l.Waited.Round(time.Second))
		}
		fmt.Fprintln(w)
	}
	for _, q := range c.Quiet {
		fmt.Fprintf(w, "leaving %s alone until %s, as the plan says\n", q.Kind, time.UnixMilli(q.Until).Format(time.DateTime))
	}
	if c.Error != "" {
		fmt.Fprintf(w, "%s [%s, since %s]\n", c.Error, c.Code, time.UnixMilli(c.Since).Format(time.DateTime))
	}
	switch t := s.Trouble; {
	case t == nil:
	case t.Until == 0:
		fmt.Fprintf(w, "%s [%s, since %s]\n", t.Sentence, t.Code, time.UnixMilli(t.From).Format(time.DateTime))
	default:
		fmt.Fprintf(w, "The receiver answers again since %s. Before, from %s: %s [%s]\n", time.UnixMilli(t.Until).Format(time.DateTime),
			time.UnixMilli(t.From).Format(time.DateTime), t.Sentence, t.Code)
	}
	if s.Inbox != "" {
		fmt.Fprintf(w, "Reports wait: %s\n", s.Inbox)
	}
}
