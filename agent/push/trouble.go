package push

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Codes of trouble, told to [Config].Trouble. They are stable: operations and documentation rely on them.
const (
	TroubleDNS         = "dns"          // the receiver's name has no address
	TroubleRefused     = "refused"      // nothing listens, or a firewall refuses
	TroubleUnreachable = "unreachable"  // no way there, or the connection broke
	TroubleTimeout     = "timeout"      // no answer in time
	TroubleTLS         = "tls"          // no TLS connection comes about
	TroubleIssuer      = "tls-issuer"   // the certificate's issuer is not trusted here
	TroubleName        = "tls-name"     // the certificate is another host's
	TroubleDate        = "tls-date"     // the certificate is not valid today: renew it or set the clock
	TroubleProxyAuth   = "proxy-auth"   // the proxy wants a user and password
	TroubleProxy       = "proxy"        // the proxy refuses to connect
	TroubleRedirect    = "redirect"     // somebody sends the agent elsewhere
	TroubleUnsigned    = "unsigned"     // the answer is not the receiver's: captive portal, proxy page, wrong address
	TroubleForged      = "forged"       // the answer is signed and does not fit: altered, cut, or another's
	TroubleKeyset      = "keyset"       // the receiver's keys cannot be verified
	TroubleClock       = "clock"        // the clock is wrong; the agent corrects for it
	TroubleBusy        = "busy"         // the receiver asks to wait
	TroubleReceiver    = "receiver"     // the receiver reports a fault of its own
	TroubleRefusedKey  = "not-accepted" // the receiver does not accept the agent's signature
	TroubleAltered     = "altered"      // requests arrive changed
)

// wsaConnRefused is what Windows calls ECONNREFUSED.
const wsaConnRefused = syscall.Errno(10061)

// trouble is why an attempt got no answer that the call can use.
type trouble struct {
	code, sentence string
	signed         bool // the receiver itself says so
}

// troubleOf says what went wrong with an attempt, where, and what to do. resp may be nil.
func (c *Client) troubleOf(err error, resp *http.Response) trouble {
	host := c.base.Host
	var (
		proxy      *proxyError
		dns        *net.DNSError
		unverified *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &proxy) && proxy.status == http.StatusProxyAuthRequired,
		resp != nil && resp.StatusCode == http.StatusProxyAuthRequired:
		return trouble{code: TroubleProxyAuth, sentence: fmt.Sprintf("The proxy on the way to %s wants a user and password: set them in the agent's proxy setting.", host)}
	case errors.As(err, &proxy):
		return trouble{code: TroubleProxy, sentence: fmt.Sprintf("The proxy %s refuses to connect to %s (status %d): allow the address there.", proxy.proxy, host, proxy.status)}
	case errors.As(err, &unverified):
		return certificateTrouble(host, unverified)
	case errors.Is(err, http.ErrSchemeMismatch), strings.Contains(err.Error(), "tls: "): // crypto/tls has no type for most
		return trouble{code: TroubleTLS, sentence: fmt.Sprintf("No TLS connection to %s comes about: check the address and port, and that no firewall inspects it with old protocols.", host)}
	case errors.As(err, &dns):
		return trouble{code: TroubleDNS, sentence: fmt.Sprintf("The name %s has no address here: check the spelling and this computer's DNS servers.", dns.Name)}
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaConnRefused):
		return trouble{code: TroubleRefused, sentence: fmt.Sprintf("The connection to %s is refused: check the address and that the firewall lets this computer out to it.", host)}
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return trouble{code: TroubleTimeout, sentence: fmt.Sprintf("No answer from %s in time: check that the firewall lets this computer out to it; the agent tries again.", host)}
	case errors.Is(err, errKeyset):
		return trouble{code: TroubleKeyset, sentence: fmt.Sprintf("The keys that %s shows cannot be verified (%s): check the address, or enrol again if the receiver was set up anew.", host, reason(err))}
	case errors.Is(err, protocol.ErrForgedAnswer), errors.Is(err, protocol.ErrAnswerKey):
		return trouble{code: TroubleForged, sentence: fmt.Sprintf("An answer of %s is not as the receiver signed it%s: a device on the way alters it; exempt the address from inspection.", host, c.seen(resp))}
	case resp != nil && resp.StatusCode >= 300 && resp.StatusCode < 400:
		return trouble{code: TroubleRedirect, sentence: fmt.Sprintf("Something on the way to %s redirects the agent%s: sign in to the network, or exempt the address at the proxy.", host, c.seen(resp))}
	case errors.Is(err, protocol.ErrUnsignedAnswer):
		return trouble{code: TroubleUnsigned, sentence: fmt.Sprintf("%s answered %d without the receiver's signature%s: a proxy or sign-in page answers in its place, or the address is wrong.", host, status(resp), c.seen(resp))}
	}
	return trouble{code: TroubleUnreachable, sentence: fmt.Sprintf("The connection to %s broke or does not come about: check the network; the agent tries again.", host)}
}

func certificateTrouble(host string, e *tls.CertificateVerificationError) trouble {
	issuer := "nobody"
	if len(e.UnverifiedCertificates) > 0 {
		issuer = issuerOf(e.UnverifiedCertificates[0])
	}
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(e.Err, &name):
		return trouble{code: TroubleName, sentence: fmt.Sprintf("The certificate shown for %s is another host's, issued by %q: check the address, or exempt it from TLS inspection.", host, issuer)}
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return trouble{code: TroubleDate, sentence: fmt.Sprintf("The certificate shown for %s, issued by %q, is not valid on the date this computer has: set the clock, or have the certificate renewed.", host, issuer)}
	}
	return trouble{code: TroubleIssuer, sentence: fmt.Sprintf("The certificate shown for %s is issued by %q, which this computer does not trust: TLS is intercepted; exempt the address, or add that issuer's certificate to the agent's settings.", host, issuer)}
}

// issuerLength is the longest name of an issuer that is told, in bytes: whoever intercepts TLS chooses it.
const issuerLength = 120

// issuerOf names a certificate's issuer for people.
func issuerOf(cert *x509.Certificate) string {
	var parts []string
	if cert.Issuer.CommonName != "" {
		parts = append(parts, cert.Issuer.CommonName)
	}
	parts = append(parts, cert.Issuer.Organization...)
	if len(parts) == 0 {
		return "an unnamed issuer"
	}
	name := strings.Join(parts, ", ")
	if len(name) > issuerLength {
		name = strings.ToValidUTF8(name[:issuerLength], "") + "…"
	}
	return name
}

// seen adds whose certificate the connection showed.
func (c *Client) seen(resp *http.Response) string {
	if resp == nil || resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return ""
	}
	return fmt.Sprintf(" (certificate issued by %q)", issuerOf(resp.TLS.PeerCertificates[0]))
}

func status(resp *http.Response) int {
	if resp == nil {
		return 0
	}
	return resp.StatusCode
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// refusalTrouble says why a signed refusal makes the agent wait.
func (c *Client) refusalTrouble(r *protocol.Reject) trouble {
	host := c.base.Host
	switch r.Code {
	case protocol.CodeStale:
		off := c.ClockOffset().Round(time.Second)
		word := "slow"
		if off < 0 {
			word = "fast"
		}
		return trouble{code: TroubleClock, sentence: fmt.Sprintf("This computer's clock is %s %s: the agent corrects for it; set the clock.", off.Abs(), word)}
	case protocol.CodeFull, protocol.CodeBusy:
		return trouble{code: TroubleBusy, sentence: fmt.Sprintf("%s asks the agent to wait (%s): nothing to do.", host, r.Code)}
	case protocol.CodeInternal:
		return trouble{code: TroubleReceiver, sentence: fmt.Sprintf("%s reports a fault of its own, which is logged there: if it lasts, tell LESSOR.", host)}
	case protocol.CodeBadDigest, protocol.CodeReplay:
		return trouble{code: TroubleAltered, sentence: fmt.Sprintf("What the agent sends reaches %s changed or twice (%s): exempt the address from inspection at the proxy.", host, r.Code)}
	case protocol.CodeUnsigned, protocol.CodeUnknownKey, protocol.CodeBadSignature:
	case protocol.CodeMalformed, protocol.CodeVersion, protocol.CodeForbidden, protocol.CodeRevoked, protocol.CodePending,
		protocol.CodeSuspended, protocol.CodeInvite, protocol.CodeConflict, protocol.CodeGap, protocol.CodeReopen,
		protocol.CodeTooLarge, protocol.CodeNotFound: // the last word: nobody waits for them
	}
	return trouble{code: TroubleRefusedKey, sentence: fmt.Sprintf("%s does not accept the agent's signature (%s): %s.", host, r.Code, strings.TrimSuffix(r.Detail, "."))}
}
