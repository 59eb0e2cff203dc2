package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/doctor"
	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/plan"
)

func newCheck(s *settings) *cobra.Command {
	var asJSON, conformance bool
	var database string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look for everything that keeps the agent from working",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			switch {
			case conformance && database == "":
				return errors.New("--conformance needs an empty scratch database on the main system's server: name it with --database")
			case conformance:
				return conform(cmd.Context(), cmd.OutOrStdout(), cfg, database, asJSON)
			case database != "":
				return errors.New("--database goes with --conformance")
			}
			f := &findings{cmd: cmd, json: asJSON}
			doctor.New(cfg, version).Examine(cmd.Context(), f.add)
			return f.err()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per finding")
	cmd.Flags().BoolVar(&conformance, "conformance", false, "show instead that the SQL Server is read as promised, in an empty scratch database")
	cmd.Flags().StringVar(&database, "database", "", "the empty scratch database of --conformance; its content is made and dropped")
	return cmd
}

func newPlan(s *settings) *cobra.Command {
	var asJSON bool
	check := &cobra.Command{
		Use:   "check",
		Short: "Hold the plan against the live database",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			f := &findings{cmd: cmd, json: asJSON}
			doctor.New(cfg, version).CheckPlan(cmd.Context(), f.add)
			return f.err()
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per finding")
	var samples bool
	show := &cobra.Command{
		Use:   "preview",
		Short: "Print the rows and columns that would leave, and how many bytes; nothing is sent",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			return preview(cmd.Context(), cmd.OutOrStdout(), cfg, samples)
		},
	}
	show.Flags().BoolVar(&samples, "samples", true, "show the first rows of each kind, which are payroll data")
	return group("plan", "Look at what leaves the building", check, show, newSetupSQL(s))
}

// preview reads what a first load would and prints it.
func preview(ctx context.Context, w io.Writer, cfg *config.Config, samples bool) (err error) {
	p, err := plan.Load(cfg.Plan)
	if err != nil {
		return err
	}
	src, err := mainsystem.Open(cfg, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	look, err := plan.Look(ctx, p, src)
	if err != nil {
		return err
	}
	return look.Print(w, samples)
}

// findings prints what a doctor finds.
type findings struct {
	cmd    *cobra.Command
	json   bool
	wrongs int
}

func (f *findings) add(x doctor.Finding) {
	if !x.OK() {
		f.wrongs++
	}
	w := f.cmd.OutOrStdout()
	switch {
	case f.json:
		_ = json.NewEncoder(w).Encode(x) // a closed pipe has nobody to tell
	case x.Note:
		fmt.Fprintf(w, "note  %s: %s [%s]\n", x.Check, x.Sentence, x.Code)
	case x.OK():
		fmt.Fprintf(w, "ok    %s: %s\n", x.Check, x.Sentence)
	default:
		fmt.Fprintf(w, "WRONG %s: %s [%s]\n", x.Check, x.Sentence, x.Code)
	}
	if x.Statement != "" && !f.json {
		fmt.Fprintf(w, "      %s\n", x.Statement)
	}
}

func (f *findings) err() error {
	if f.wrongs > 0 {
		return errFindings
	}
	return nil
}
