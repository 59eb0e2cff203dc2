package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lessor.dk/portalsync/receiver/config"
)

// minRSABits is the shortest RSA key that is served (N14).
const minRSABits = 2048

// serverTLS reads the listener's certificate. TLS 1.2 is the oldest that is spoken (L18, N15).
func serverTLS(files config.TLS) (*tls.Config, error) {
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
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}
