package mainsystem

import (
	"fmt"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/entra"
	"lessor.dk/portalsync/agent/source/sqlserver"
)

// settings is what the settings say of the connection.
func settings(cfg *config.Config) (sqlserver.Config, error) {
	m := &cfg.MainSystem
	c := sqlserver.Config{Budget: m.Budget, TrustServerCertificate: m.TrustServer, CA: m.CA}
	e := m.Entra
	if !e.On() {
		return c, nil
	}
	own := entra.Config{Tenant: e.Tenant, Client: e.Client, SecretFile: e.SecretFile, CertificateFile: e.CertificateFile,
		ManagedIdentity: e.ManagedIdentity, Authority: e.Authority, Scope: e.Scope}
	if !e.ManagedIdentity { // which is asked on the machine itself, not through the agent's proxy
		way, err := entra.Transport(cfg.Proxy, cfg.ExtraCA)
		if err != nil {
			return c, fmt.Errorf("%s: %w", cfg.File, err)
		}
		own.Transport = way
	}
	tokens, err := entra.New(own)
	if err != nil {
		return c, fmt.Errorf("%s: %w", cfg.File, err)
	}
	c.Token = tokens.Token
	return c, nil
}
