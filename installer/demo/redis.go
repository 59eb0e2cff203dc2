package demo

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// redisTime bounds a command.
const redisTime = 5 * time.Second

// redisLine is a connection to the receiver's embedded Redis, as an accident would have it.
type redisLine struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRedis(ctx context.Context, address string) (*redisLine, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach the embedded Redis: %w", err)
	}
	return &redisLine{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (r *redisLine) close() { _ = r.conn.Close() } // nothing was written that must arrive

// flush makes Redis lose everything and returns how many keys that was.
func (r *redisLine) flush(ctx context.Context) (keys int, err error) {
	answer, err := r.command(ctx, "DBSIZE")
	if err != nil {
		return 0, err
	}
	if keys, err = strconv.Atoi(strings.TrimPrefix(answer, ":")); err != nil {
		return 0, fmt.Errorf("redis answered DBSIZE with %q", answer)
	}
	if answer, err = r.command(ctx, "FLUSHALL"); err == nil && answer != "+OK" {
		err = fmt.Errorf("redis answered FLUSHALL with %q", answer)
	}
	return keys, err
}

// command sends a command without arguments and returns the line that answers it.
func (r *redisLine) command(ctx context.Context, name string) (string, error) {
	deadline := time.Now().Add(redisTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := r.conn.SetDeadline(deadline); err != nil {
		return "", fmt.Errorf("redis %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(r.conn, "*1\r\n$%d\r\n%s\r\n", len(name), name); err != nil {
		return "", fmt.Errorf("redis %s: %w", name, err)
	}
	answer, err := r.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("redis %s: %w", name, err)
	}
	return strings.TrimSpace(answer), nil
}
