package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/plan"
)

func newUpgrade(s *settings) *cobra.Command {
	cmd := func(use, short string, do func(*upgrade, context.Context) error) *cobra.Command {
		return &cobra.Command{
			Use:   use,
			Short: short,
			Args:  noArguments,
			RunE: func(cmd *cobra.Command, args []string) (err error) {
				u := &upgrade{out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), tables: args}
				if u.cfg, err = s.load(); err != nil {
					return err
				}
				p, err := plan.Load(u.cfg.Plan)
				if err != nil {
					return err
				}
				if u.system, err = mainsystem.OpenMaintenance(u.cfg, p); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, u.system.Close()) }()
				return do(u, cmd.Context())
			},
		}
	}
	var asJSON bool
	status := cmd("status", "Tell whether an upgrade is open, and which tables are tracked", func(u *upgrade, ctx context.Context) error {
		u.json = asJSON
		return u.status(ctx)
	})
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	begin := cmd("begin [TABLE...]", "Stop reading, and release the tables, or those named, so that keys may be dropped and partitions switched", (*upgrade).begin)
	begin.Args = cobra.ArbitraryArgs
	return group("upgrade", "Let the main system's vendor upgrade its tables", begin,
		cmd("end", "Track the tables again, and go on reading", (*upgrade).end), status)
}

// upgrade is one command about an upgrade.
type upgrade struct {
	cfg           *config.Config
	system        *mainsystem.Maintenance
	out, progress io.Writer
	tables        []string // to release; none is all
	json          bool
}

func (u *upgrade) begin(ctx context.Context) error {
	now, err := u.system.Begin(ctx, time.Now(), u.tables...)
	if err != nil {
		return u.explain(err)
	}
	released := now.Released()
	if len(released) == 0 {
		fmt.Fprintln(u.out, "The upgrade is begun: nothing is read. Nothing was tracked that had to be released.")
	} else {
		fmt.Fprintln(u.out, "The upgrade is begun: nothing is read, and these tables are released; their keys may be dropped and their partitions switched.")
	}
	for _, t := range released {
		fmt.Fprintf(u.out, "  %s\n", t.Name)
	}
	fmt.Fprintln(u.out, "Run agent upgrade end when it is done.")
	u.tell(ctx)
	return nil
}

func (u *upgrade) end(ctx context.Context) error {
	now, again, err := u.system.End(ctx)
	if err != nil {
		return u.explain(err)
	}
	fmt.Fprintln(u.out, "The upgrade is ended.")
	for _, t := range again {
		fmt.Fprintf(u.out, "  %s is tracked again; read anew: %s\n", t.Name, strings.Join(t.Kinds, ", "))
	}
	if len(again) == 0 {
		fmt.Fprintln(u.out, "  No table had been released; nothing is read anew.")
	}
	u.tell(ctx)
	left := false
	for _, t := range now.Tables {
		if !t.Tracked {
			left = true
			fmt.Fprintf(u.out, "WRONG %s: %s; these wait: %s\n", t.Name, cause(t), strings.Join(t.Kinds, ", "))
		}
	}
	if left {
		return errFindings
	}
	return nil
}

// cause says why a table is not tracked.
func cause(t mainsystem.UpgradeTable) string {
	switch {
	case t.Missing:
		return "it is not in the database, or the account may not see it: put it back, or change the plan"
	case t.Keyless:
		return "it has no primary key, without which nothing is tracked: have the vendor put it back, then run agent upgrade end again"
	}
	return "it is not tracked: run agent upgrade end"
}

func (u *upgrade) status(ctx context.Context) error {
	now, err := u.system.Status(ctx)
	if err != nil {
		return err
	}
	if u.json {
		if err := json.NewEncoder(u.out).Encode(now); err != nil {
			return fmt.Errorf("print how far the upgrade is: %w", err)
		}
		return nil
	}
	if now.Begun.IsZero() {
		fmt.Fprintln(u.out, "No upgrade is open.")
	} else {
		fmt.Fprintf(u.out, "An upgrade is open since %s: nothing is read until agent upgrade end.\n", now.Begun.Local().Format("2006-01-02 15:04"))
	}
	for _, t := range now.Tables {
		state := "tracked"
		switch {
		case t.Missing:
			state = "missing"
		case !t.Tracked && now.Begun.IsZero():
			state = "not tracked"
		case !t.Tracked:
			state = "released"
		}
		fmt.Fprintf(u.out, "  %s %s\n", state, t.Name)
	}
	u.tell(ctx)
	return nil
}

// tell has the running agent look, so that it pauses or goes on at once. One that cannot be asked looks within a minute.
func (u *upgrade) tell(ctx context.Context) {
	begun, err := daemon.AskUpgrade(ctx, u.cfg.Socket)
	switch {
	case err != nil:
		fmt.Fprintf(u.progress, "The agent was not told, and notices within a minute if it runs: %v\n", err)
	case begun.IsZero():
		fmt.Fprintln(u.progress, "The agent reads.")
	default:
		fmt.Fprintln(u.progress, "The agent has paused.")
	}
}

// explain prints the statements that the agent's account may not run.
func (u *upgrade) explain(err error) error {
	var rights *mainsystem.RightsError
	if !errors.As(err, &rights) {
		return err
	}
	fmt.Fprintln(u.out, "-- For the database's administrator, in this database:")
	for _, statement := range rights.Statements {
		fmt.Fprintln(u.out, statement)
	}
	return fmt.Errorf("%w; the agent notices within a minute", err)
}
