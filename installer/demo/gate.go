package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// gate is an HTTP proxy between agent and receiver that counts what goes through, and can keep what the agent sends
// while the receiver's answers go on. It sees nothing but TLS.
type gate struct {
	listener net.Listener
	server   *http.Server
	up, down atomic.Int64 // bytes from and to the agent

	mu   sync.Mutex
	pass chan struct{} // closed while the gate is open
	shut chan struct{} // closed when what is kept is thrown away
}

// openGate starts a gate that lets everything through.
func openGate(ctx context.Context) (*gate, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a gate: %w", err)
	}
	g := &gate{listener: ln, pass: make(chan struct{}), shut: make(chan struct{})}
	close(g.pass)
	g.server = &http.Server{Handler: http.HandlerFunc(g.connect), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = g.server.Serve(ln) }() // it ends with close
	return g, nil
}

// URL returns the gate's address for the agent's proxy setting.
func (g *gate) URL() string { return "http://" + g.listener.Addr().String() }

// hold keeps from now on what the agent sends.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass = make(chan struct{})
}

// release lets through what was kept, and what follows.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.pass)
}

// close throws away what is kept and ends all connections.
func (g *gate) close() error {
	close(g.shut)
	if err := g.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the gate: %w", err)
	}
	return nil
}

// wait returns whether the gate is open, once it is open or has been closed.
func (g *gate) wait() bool {
	g.mu.Lock()
	pass := g.pass
	g.mu.Unlock()
	select {
	case <-pass:
		return true
	case <-g.shut:
		return false
	}
}

// connect joins the agent with the receiver.
func (g *gate) connect(w http.ResponseWriter, r *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if r.Method != http.MethodConnect || !ok {
		http.Error(w, "this is a proxy for CONNECT", http.StatusMethodNotAllowed)
		return
	}
	to, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "the receiver does not listen", http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := hijacker.Hijack()
	if err != nil {
		return // the agent has gone
	}
	defer from.Close()
	if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(from, counted{to, &g.down}); done <- struct{}{} }() // either end may go at any time
	go func() { g.copyUp(to, from); done <- struct{}{} }()
	select {
	case <-done:
	case <-g.shut:
	}
}

// copyUp carries what the agent sends, while the gate is open.
func (g *gate) copyUp(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !g.wait() {
			return
		}
		g.up.Add(int64(n))
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	bytes *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.bytes.Add(int64(n))
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}
