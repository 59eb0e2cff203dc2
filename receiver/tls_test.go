package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/receiver/config"
)

// A renewed certificate is served without a restart; one that cannot be served leaves the old one in place, and is told.
func TestCertificateIsRenewedInPlace(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{Certificate: filepath.Join(dir, "portal.pem"), Key: filepath.Join(dir, "portal.key")}
	issue(t, files, 1, time.Hour)
	c, err := openCertificate(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.now = func() time.Time { return now }
	address := listenTLS(t, c.config())
	steps := []struct {
		name   string
		change func()
		later  time.Duration
		serial int64
		fault  string
	}{
		{"as at the start", func() {}, time.Hour, 1, ""},
		{"renewed, and looked at too recently", func() { issue(t, files, 2, time.Hour) }, lookEvery - time.Second, 1, ""},
		{"renewed", func() {}, time.Second, 2, ""},
		{"only the certificate is there", func() {
			issue(t, config.TLS{Certificate: files.Certificate, Key: filepath.Join(dir, "other")}, 3, time.Hour)
		},
			lookEvery, 2, "they must be PEM files and belong together"},
		{"its key follows within one tick of the file system's clock", func() { replace(t, files.Key, filepath.Join(dir, "other")) }, lookEvery, 3, ""},
		{"not PEM", func() { write(t, files.Certificate, []byte("certificate")) }, lookEvery, 3, "they must be PEM files and belong together"},
		{"gone", func() { remove(t, files.Certificate) }, lookEvery, 3, "no such file"},
		{"ended", func() { issue(t, files, 4, -time.Minute) }, lookEvery, 3, "renew it"},
		{"good again", func() { issue(t, files, 5, time.Hour) }, lookEvery, 5, ""},
	}
	for _, s := range steps {
		s.change()
		now = now.Add(s.later)
		if got := served(t, address); got != s.serial {
			t.Errorf("%s: certificate %d is served, want %d", s.name, got, s.serial)
		}
		_, err := c.look(lookEvery)
		if s.fault == "" && err != nil || s.fault != "" && (err == nil || !strings.Contains(err.Error(), s.fault)) {
			t.Errorf("%s: told %v, want %q", s.name, err, s.fault)
		}
	}
}

// issue writes a certificate and its key that end after left.
func issue(t *testing.T, files config.TLS, serial int64, left time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace gives a file the content of another, and leaves its time as it was.
func replace(t *testing.T, file, by string) {
	t.Helper()
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, content)
	if err := os.Chtimes(file, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// listenTLS finishes the handshake with everybody who calls.
func listenTLS(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if secure, ok := conn.(*tls.Conn); ok {
				_ = secure.HandshakeContext(t.Context()) // the caller tells what came of it
			}
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}

// served returns the serial number of the certificate that a caller is shown.
func served(t *testing.T, address string) int64 {
	t.Helper()
	dialer := &tls.Dialer{NetDialer: new(net.Dialer), Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok {
		t.Fatalf("connection is a %T", conn)
	}
	return secure.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}
