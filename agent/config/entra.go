package config

import (
	"errors"
	"net/url"
)

// Entra says as whom of Microsoft Entra ID the agent logs in to SQL Server. The zero value is not at all.
type Entra struct {
	Tenant          string `yaml:"tenant"`
	Client          string `yaml:"client"`
	SecretFile      string `yaml:"secret_file"`
	CertificateFile string `yaml:"certificate_file"`
	ManagedIdentity bool   `yaml:"managed_identity"`
	Authority       string `yaml:"authority"`
	Scope           string `yaml:"scope"`
}

// On tells whether the agent logs in through Entra ID.
func (e Entra) On() bool { return e != Entra{} }

func (m *MainSystem) checkEntra() error {
	e := m.Entra
	if !e.On() {
		return nil
	}
	ways := 0
	for _, given := range []bool{e.SecretFile != "", e.CertificateFile != "", e.ManagedIdentity} {
		if given {
			ways++
		}
	}
	u, err := url.Parse(m.SQLServer)
	switch {
	case m.SQLServer == "" || err != nil:
		return errors.New("main_system.entra is for a main system in SQL Server: remove it, or name the database in main_system.sqlserver")
	case u.User != nil || m.PasswordFile != "":
		return errors.New("main_system has both a login and entra: remove the login from main_system.sqlserver and password_file, or remove entra")
	case ways != 1:
		return errors.New("main_system.entra needs one way to log in: keep one of secret_file, certificate_file and managed_identity: true")
	case !e.ManagedIdentity && (e.Tenant == "" || e.Client == ""):
		return errors.New("main_system.entra names no application: write the directory's id into tenant and the application's into client")
	}
	if a, err := url.Parse(e.Authority); e.Authority != "" && (err != nil || a.Scheme != "https" || a.Host == "") {
		return errors.New("main_system.entra.authority is not an address: write https://HOST/, such as https://login.microsoftonline.us/")
	}
	return nil
}
