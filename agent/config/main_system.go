package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"
)

// passwordVariable holds the login's password where no file does, for service managers that hand over credentials so.
const passwordVariable = "PORTALSYNC_MAIN_SYSTEM_PASSWORD" //nolint:gosec // a name, not a password

// check says what is wrong with the settings of the main system. It never shows the address, which may hold a password.
func (m *MainSystem) check() (err error) {
	switch {
	case m.SQLite == "" && m.SQLServer == "":
		return errors.New("main_system is not set: write the database's address under main_system.sqlserver, or its path under main_system.sqlite")
	case m.SQLite != "" && m.SQLServer != "":
		return errors.New("main_system names two databases: keep one of sqlite and sqlserver")
	case m.TrustServer && m.CA != "":
		return errors.New("main_system both trusts every certificate and names one in ca: keep ca and remove trust_server_certificate")
	}
	if m.SQLServer != "" {
		u, err := url.Parse(m.SQLServer)
		if err != nil || u.Scheme != "sqlserver" || u.Host == "" || u.Query().Get("database") == "" {
			return errors.New("main_system.sqlserver is not an address: write sqlserver://LOGIN@HOST:PORT?database=NAME, with signs such as \\ and @ in the login as %5C and %40")
		}
	}
	if err := m.checkEntra(); err != nil {
		return err
	}
	if m.BudgetText == "" {
		return nil
	}
	if m.Budget, err = time.ParseDuration(m.BudgetText); err != nil || m.Budget < time.Millisecond || m.Budget > time.Minute {
		return fmt.Errorf("main_system.budget %q is not a part of a minute: write something between 1ms and 1m, like 10s", m.BudgetText)
	}
	return nil
}

// Address returns the SQL Server database's address with the login's password in it, wherever that stands. It is a secret.
func (m *MainSystem) Address() (string, error) {
	u, err := url.Parse(m.SQLServer)
	if err != nil {
		return "", errors.New("main_system.sqlserver is not an address")
	}
	if _, given := u.User.Password(); given || u.User.Username() == "" {
		return m.SQLServer, nil
	}
	password := os.Getenv(passwordVariable)
	if m.PasswordFile != "" {
		b, err := os.ReadFile(m.PasswordFile)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("the password file %s does not exist: write the login's password into it, or correct main_system.password_file", m.PasswordFile)
		}
		if err != nil {
			return "", fmt.Errorf("read main_system.password_file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	if password == "" {
		return "", fmt.Errorf("the password of login %s is not set: name a file under main_system.password_file, or set %s", u.User.Username(), passwordVariable)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}
