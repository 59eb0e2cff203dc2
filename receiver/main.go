// Command receiver is the hosted side of PortalSync: it takes in what agents push, applies it to the
// portal's store and serves the portal.
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
		fmt.Fprintln(os.Stderr, "receiver:", err)
		return 1
	}
	return 0
}
