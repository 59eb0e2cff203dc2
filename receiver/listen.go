package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// wsaAddrInUse is what Windows calls EADDRINUSE.
const wsaAddrInUse = syscall.Errno(10048)

// bindAll reads the certificate and takes the ports.
func (r *receiver) bindAll(ctx context.Context) (err error) {
	if r.answers() {
		if err := r.cfg.CheckPublic(); err != nil {
			return err
		}
		if r.certificate, err = openCertificate(r.cfg.TLS, r.log); err != nil {
			return err
		}
		leaf := r.certificate.current.Leaf
		for _, name := range r.cfg.Names { // not an error: a proxy before the receiver may show another certificate
			if err := leaf.VerifyHostname(hostOf(name)); err != nil {
				r.log.WarnContext(ctx, "certificate is not for a name under which agents and browsers call", "name", name, "err", err)
			}
		}
		if r.public, err = bind(ctx, "listen", r.cfg.Listen); err != nil {
			return err
		}
	}
	r.private, err = bind(ctx, "admin", r.cfg.Admin)
	return err
}

// closeListeners closes what nobody began to serve.
func (r *receiver) closeListeners() error {
	for _, ln := range []net.Listener{r.public, r.private} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close listener: %w", err)
		}
	}
	return nil
}

// bind takes a port. Key names the setting that the address is from.
func bind(ctx context.Context, key, address string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaAddrInUse):
		return nil, fmt.Errorf("%s: another program uses %s: stop it, or set %s to a free port", key, address, key)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: the receiver's account may not use port %s: give it the right (CAP_NET_BIND_SERVICE), or set %s to a port above 1023", key, address, key)
	}
	return nil, fmt.Errorf("%s: %w: set %s to an address of this machine", key, err, key)
}

func hostOf(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}
