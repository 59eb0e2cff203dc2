package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"lessor.dk/portalsync/receiver/config"
)

// minRSABits is the shortest RSA key that is served (N14).
const minRSABits = 2048

// lookEvery is how often handshakes look whether the certificate's files have changed.
const lookEvery = 10 * time.Second

// certificate is the listener's. It is read anew when its files change, so that a renewal needs no restart; files that
// cannot be served leave the old one in place.
type certificate struct {
	files config.TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	seen    [2]stamp // of the files as they were read last
	fault   error    // why what is in the files now is not served; nil when it is
}

// stamp tells two versions of a file apart.
type stamp struct {
	changed time.Time
	size    int64
}

// openCertificate reads the files for the first time.
func openCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, now: time.Now, looked: time.Now()}
	c.seen = c.stamps()
	var err error
	c.current, err = readCertificate(files)
	return c, err
}

// config returns the listener's settings. TLS 1.2 is the oldest that is spoken (L18, N15).
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			current, _ := c.look(lookEvery)
			return current, nil
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

// look returns what is served, after reading the files again if they have changed and nobody has looked for a while.
// The error says why what is in the files is not what is served.
func (c *certificate) look(every time.Duration) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < every {
		return c.current, c.fault
	}
	c.looked = now
	stamps := c.stamps()
	if stamps == c.seen && c.fault == nil { // after a fault the same files are read again: half of them may have been written
		return c.current, nil
	}
	c.seen = stamps
	fresh, err := readCertificate(c.files)
	switch {
	case err == nil:
		c.current, c.fault = fresh, nil
		c.log.Info("serving a renewed certificate", "ends", fresh.Leaf.NotAfter)
	case c.fault == nil || c.fault.Error() != err.Error():
		c.fault = err
		c.log.Warn("renewed certificate not served", "code", troubleRenewal, "err", err)
	}
	return c.current, c.fault
}

func (c *certificate) stamps() (all [2]stamp) {
	for i, file := range []string{c.files.Certificate, c.files.Key} {
		if info, err := os.Stat(file); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// readCertificate reads the files and refuses what nobody should be served.
func readCertificate(files config.TLS) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tls: %w: name existing PEM files under tls in the settings", err)
	}
	if err != nil {
		return nil, fmt.Errorf("tls: read %s and %s: %w: they must be PEM files and belong together", files.Certificate, files.Key, err)
	}
	switch key := cert.Leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("tls: %s has an RSA key of %d bits: have it issued anew with at least %d", files.Certificate, key.N.BitLen(), minRSABits)
		}
	case *ecdsa.PublicKey:
		if key.Params().BitSize < 256 {
			return nil, fmt.Errorf("tls: %s has an EC key of %d bits: have it issued anew with at least 256", files.Certificate, key.Params().BitSize)
		}
	}
	if now := time.Now(); now.After(cert.Leaf.NotAfter) || now.Before(cert.Leaf.NotBefore) {
		return nil, fmt.Errorf("tls: %s is valid from %s to %s only: renew it, or set this machine's clock", files.Certificate,
			cert.Leaf.NotBefore.Format(time.DateOnly), cert.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &cert, nil
}
