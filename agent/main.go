// Command agent is the customer's side of PortalSync: it reads what the plan allows from the main
// system, pushes it to the portal, and brings employees' reports back.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is the program's version; the build sets it.
var version = "dev"

func main() {
	os.Exit(run())
}

// run is main without the exit, so that tests can be the program.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 1
	}
	return 0
}
