//go:build unix

package daemon

import "context"

// RunService runs the agent as systemd started it: as a program that a signal stops.
func RunService(ctx context.Context, run func(context.Context) error) error { return run(ctx) }

// recoverOnFailure has nothing to add: the unit says when to restart.
func recoverOnFailure(string) error { return nil }
