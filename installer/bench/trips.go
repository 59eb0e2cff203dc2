package bench

import (
	"context"
	"net"
	"sync/atomic"
)

// tripCounter counts the round trips of all connections made through it, encrypted or not: a request is what is written
// after an answer was read.
type tripCounter struct{ n atomic.Int64 }

// DialContext implements the dialer of the driver.
func (c *tripCounter) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tripConn{Conn: conn, counter: c}, nil
}

// tripConn is a connection on which requests and answers take turns.
type tripConn struct {
	net.Conn
	counter *tripCounter
	asking  atomic.Bool
}

func (c *tripConn) Write(b []byte) (int, error) {
	if !c.asking.Swap(true) {
		c.counter.n.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *tripConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.asking.Store(false)
	}
	return n, err
}
