package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog takes what the Redis client says of its connections into the program's log, for those who look for more
// than the trouble that health tells. The client has one logger per process and no option of its own for it: so the
// command that serves sets it, once, and nothing else does.
type redisLog struct{ log *slog.Logger }

// Printf logs a line of the client.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "cause", fmt.Sprintf(format, args...))
}
