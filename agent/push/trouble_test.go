package push

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
)

func TestIssuerOf(t *testing.T) {
	tests := map[string]struct {
		issuer pkix.Name
		want   string
	}{
		"a name and an organization": {pkix.Name{CommonName: "Webfilter", Organization: []string{"Nordvask A/S"}}, "Webfilter, Nordvask A/S"},
		"no name":                    {pkix.Name{}, "an unnamed issuer"},
		"a name that has no end":     {pkix.Name{CommonName: strings.Repeat("ø", 4000)}, strings.Repeat("ø", issuerLength/2) + "…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := issuerOf(&x509.Certificate{Issuer: tt.issuer}); got != tt.want {
				t.Errorf("issuerOf = %q, want %q", got, tt.want)
			}
		})
	}
}
