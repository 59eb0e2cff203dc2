package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Certificates are paths of PEM files.
type Certificates struct {
	CA          string // the authority's certificate: what an agent or browser is to trust
	Certificate string // the server's
	Key         string // the server's private key
}

// certificateLife is short: the files are for one machine and one purpose.
const certificateLife = 90 * 24 * time.Hour

// MakeCertificates makes an authority and a server certificate for the loopback interface in dir.
// The authority's private key is not kept: nothing further can be signed with it.
func MakeCertificates(dir string) (Certificates, error) {
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "PortalSync demo authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificates{}, fmt.Errorf("make authority key: %w", err)
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificates{}, fmt.Errorf("make server key: %w", err)
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return Certificates{}, fmt.Errorf("sign authority certificate: %w", err)
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return Certificates{}, fmt.Errorf("sign server certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return Certificates{}, fmt.Errorf("encode server key: %w", err)
	}
	var c Certificates
	for _, f := range []struct {
		path       *string
		name, kind string
		der        []byte
	}{
		{&c.CA, "ca.pem", "CERTIFICATE", authorityDER},
		{&c.Certificate, "server.pem", "CERTIFICATE", serverDER},
		{&c.Key, "server.key", "PRIVATE KEY", keyDER},
	} {
		text := string(pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}))
		if *f.path, err = write(dir, f.name, text); err != nil {
			return Certificates{}, err
		}
	}
	return c, nil
}
