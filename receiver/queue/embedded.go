package queue

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Embedded starts a Redis inside this process, listening on addr ("" means a free port of the loopback
// interface), and returns a client of it. It is the default edition's Redis: it keeps nothing over a
// restart, which costs no data (the store holds the only checkpoint). The caller closes the client,
// then the server.
func Embedded(addr string) (*miniredis.Miniredis, redis.UniversalClient, error) {
	server := miniredis.NewMiniRedis()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := server.StartAddr(addr); err != nil {
		return nil, nil, fmt.Errorf("start the embedded Redis on %s: %w", addr, err)
	}
	opts := &redis.Options{Addr: server.Addr()}
	tune(opts)
	return server, redis.NewClient(opts), nil
}
