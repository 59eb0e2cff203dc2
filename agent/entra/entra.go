// Package entra fetches the tokens of Microsoft Entra ID with which the agent logs in to Azure SQL and SQL Server 2022.
package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// The public cloud.
const (
	publicAuthority = "https://login.microsoftonline.com/"
	publicScope     = "https://database.windows.net/.default"
)

// Config says who logs in, and where that is asked. One of SecretFile, CertificateFile and ManagedIdentity is set.
type Config struct {
	// Tenant and Client are the ids of the directory and the application; with a managed identity Client names one that
	// was assigned by hand, and is empty for the machine's own.
	Tenant, Client string
	// SecretFile is a file that holds nothing but the application's secret.
	SecretFile string
	// CertificateFile is a PEM or PKCS #12 file with the application's certificate and its key, without a password.
	CertificateFile string
	// ManagedIdentity logs in as the Azure machine that the agent runs on.
	ManagedIdentity bool
	// Authority is the address of the cloud's login; empty is the public cloud's.
	Authority string
	// Scope is what the token is for; empty is the public cloud's databases.
	Scope string
	// Transport sends the requests for tokens; nil is the library's own.
	Transport http.RoundTripper
	// Disconnected leaves out asking Microsoft whether the authority is one, as a private cloud needs.
	Disconnected bool
}

// Tokens fetches tokens and keeps each until shortly before it expires. Its methods may be called by several goroutines.
type Tokens struct {
	credential azcore.TokenCredential
	scope      string
}

// New reads the secret or certificate and returns what fetches tokens with it. Nothing is asked of the network yet.
func New(cfg Config) (*Tokens, error) {
	c, err := credential(cfg)
	if err != nil {
		return nil, err
	}
	return &Tokens{credential: c, scope: cmp.Or(cfg.Scope, publicScope)}, nil
}

// Token returns a token that is valid now. Errors hold the code of Entra ID (AADSTS…), what mends it, and no secret.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	token, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.scope}})
	if err != nil {
		return "", explain(ctx, err)
	}
	return token.Token, nil
}

func credential(cfg Config) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: cmp.Or(cfg.Authority, publicAuthority)}}
	if cfg.Transport != nil {
		options.Transport = &http.Client{Transport: cfg.Transport}
	}
	switch {
	case cfg.ManagedIdentity:
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if cfg.Client != "" {
			o.ID = azidentity.ClientID(cfg.Client)
		}
		return azidentity.NewManagedIdentityCredential(o)
	case cfg.CertificateFile != "":
		b, err := os.ReadFile(cfg.CertificateFile)
		if err != nil {
			return nil, fmt.Errorf("read main_system.entra.certificate_file: %w", err)
		}
		certificates, key, err := azidentity.ParseCertificates(b, nil)
		if err != nil {
			return nil, fmt.Errorf("main_system.entra.certificate_file %s holds no certificate with its key: write both into it as PEM, the key without a password", cfg.CertificateFile)
		}
		return azidentity.NewClientCertificateCredential(cfg.Tenant, cfg.Client, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: cfg.Disconnected})
	}
	b, err := os.ReadFile(cfg.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read main_system.entra.secret_file: %w", err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return nil, fmt.Errorf("main_system.entra.secret_file %s is empty: write the application's secret into it", cfg.SecretFile)
	}
	return azidentity.NewClientSecretCredential(cfg.Tenant, cfg.Client, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: cfg.Disconnected})
}

var code = regexp.MustCompile(`AADSTS\d+`)

// mend says what to do about the codes that a wrong setting brings.
func mend(code string) string {
	switch code {
	case "AADSTS7000215", "AADSTS7000222":
		return "the application's secret is wrong or has expired: make a new one and write its value into main_system.entra.secret_file"
	case "AADSTS700016":
		return "the directory has no such application: correct main_system.entra.client or tenant"
	case "AADSTS90002", "AADSTS900023":
		return "there is no such directory: correct main_system.entra.tenant"
	case "AADSTS700027":
		return "the certificate is not the application's: upload the one of main_system.entra.certificate_file to it"
	case "AADSTS500011":
		return "the directory does not know what the token is for: correct main_system.entra.scope"
	}
	return "look the code up in the sign-in log of Entra ID"
}

// explain makes one sentence of what the library says over many lines.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c := code.FindString(err.Error()); c != "" {
		return fmt.Errorf("no token from Entra ID (%s): %s", c, mend(c))
	}
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		return fmt.Errorf("no token from Entra ID (HTTP %d): see that the identity in main_system.entra is there and may ask", refused.RawResponse.StatusCode)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("no token from Entra ID: %s: see main_system.entra, proxy and the firewalls between", line)
}
