package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"lessor.dk/portalsync/agent/plan"
)

// Codes of what a survey finds. They are stable: documentation and monitoring rely on them.
const (
	CodeAddress        = "settings-wrong"       // the address cannot be used
	CodeUnreachable    = "database-unreachable" // nothing answers at the address
	CodeTLS            = "database-tls"         // the server's certificate is not accepted
	CodeTrust          = "database-trust"       // what the server shows is not verified, or nothing is encrypted
	CodeLogin          = "database-login"       // the server refuses the login
	CodeName           = "database-name"        // the login is not let into the database, or there is none
	CodeAsk            = "database-error"       // the server does not answer what it was asked
	CodeVersion        = "server-old"           // older than SQL Server 2016
	CodeReadOnly       = "database-read-only"   // a secondary replica, or set so
	CodeSnapshot       = "snapshot-off"         // snapshot isolation is off
	CodeTracking       = "tracking-off"         // the database tracks no changes
	CodeRetention      = "retention-short"      // it forgets them too soon, or never
	CodeTable          = "table-missing"        // a planned table or column is not there
	CodeUntracked      = "table-untracked"      // a planned table is not tracked
	CodeKeyless        = "table-keyless"        // it cannot be: it has no primary key
	CodeRight          = "right-missing"        // a right the plan needs is not granted
	CodeExcess         = "rights-excess"        // the login may do more than it needs
	CodeLineage        = "lineage-weak"         // a restore may be noticed late
	CodeUpgradeBlocked = "upgrade-blocked"      // statements of a vendor's upgrade that fail while changes are tracked
	CodeUpgradeOpen    = "upgrade-open"         // an upgrade was begun and not ended
)

// Finding is the outcome of one look at a server.
type Finding struct {
	Check     string // what was looked at
	Code      string // empty when all is well
	Note      bool   // it works as it is, and somebody should know
	Sentence  string
	Statement string // T-SQL that mends it; empty when none does
}

// minRetention is how long changes must be kept: the longest time the agent may be away without loading anew.
const minRetention = 14 * 24 * time.Hour

// Survey looks at everything that the agent needs of a server and a database, one thing after another, and yields a
// finding for each. It changes nothing, and goes on as long as there is somebody to ask.
func Survey(ctx context.Context, address string, p *plan.Plan, cfg Config, yield func(Finding)) {
	params, err := parameters(address, cfg)
	if err != nil {
		yield(Finding{Check: "address", Code: CodeAddress, Sentence: err.Error() + "."})
		return
	}
	c, err := connector(address, cfg)
	if err != nil {
		yield(Finding{Check: "address", Code: CodeAddress, Sentence: err.Error() + "."})
		return
	}
	db := open(c, readSession, defaultLockTimeout)
	defer db.Close()
	s := &survey{plan: p, needs: needs(p), params: params, token: cfg.Token != nil, yield: yield}
	s.run(ctx, db)
}

// survey is one round of looks.
type survey struct {
	plan   *plan.Plan
	needs  []need
	params msdsn.Config
	token  bool // the login is through Entra ID
	yield  func(Finding)

	q      querier
	server serverFacts
	facts  facts
	begun  time.Time // of an upgrade that is open; zero when none is
	fork   bool      // the recovery fork could be read
}

func (s *survey) fine(check, format string, args ...any) {
	s.yield(Finding{Check: check, Sentence: fmt.Sprintf(format, args...)})
}

func (s *survey) wrong(check, code, statement, format string, args ...any) {
	s.yield(Finding{Check: check, Code: code, Sentence: fmt.Sprintf(format, args...), Statement: statement})
}

func (s *survey) note(check, code, statement, format string, args ...any) {
	s.yield(Finding{Check: check, Code: code, Note: true, Sentence: fmt.Sprintf(format, args...), Statement: statement})
}

func (s *survey) run(ctx context.Context, db *sql.DB) {
	conn, err := db.Conn(ctx)
	if err != nil {
		s.yield(s.refused(err))
		return
	}
	defer conn.Close()
	s.q = conn
	s.encryption()
	for _, look := range []func(context.Context) error{s.about, s.database, s.upgrade, s.tracking, s.tables, s.excess, s.lineage, s.blocked} {
		if err := look(ctx); err != nil {
			s.wrong("database", CodeAsk, "", "The server does not answer what it is asked: %v.", err)
			return
		}
	}
}

// at names the server as the settings do.
func (s *survey) at() string {
	switch {
	case s.params.Instance != "":
		return s.params.Host + `\` + s.params.Instance
	case s.params.Port != 0:
		return s.params.Host + ":" + strconv.FormatUint(s.params.Port, 10)
	}
	return s.params.Host
}

// Numbers of refusals that another setting mends.
const (
	errLoginFailed  = 18456
	errUntrusted    = 18452
	errNoDatabase   = 911
	errNotLetIn     = 916
	errCannotOpen   = 4060
	errDefaultCant  = 4064
	errPasswordAged = 18487
	errPasswordNew  = 18488
)

// handshake is how the driver says that the two did not agree on a protected connection; it keeps no typed error.
const handshake = "TLS Handshake failed"

// refused says why there is no connection, and which setting changes that.
func (s *survey) refused(err error) Finding {
	f := Finding{Check: "connection", Code: CodeUnreachable}
	var said mssql.Error
	switch {
	case strings.Contains(err.Error(), handshake):
		f.Code, f.Sentence = CodeTLS, s.certificate(err)
	case errors.Is(err, errNoToken):
		f.Code, f.Sentence = CodeLogin, err.Error()+"."
	case errors.As(err, &said):
		f.Code, f.Sentence = CodeLogin, fmt.Sprintf("%s refuses the login %s: %s (%d). ", s.at(), s.login(), said.Message, said.Number)
		switch said.Number {
		case errUntrusted:
			f.Sentence += "Run the service as an account of the server's domain, or name a SQL login in main_system.sqlserver."
		case errNoDatabase, errNotLetIn, errCannotOpen, errDefaultCant:
			f.Code = CodeName
			f.Sentence += fmt.Sprintf("See that database %s is there, and have the script of agent plan setup-sql run, which makes the login's user in it.", s.params.Database)
		case errPasswordAged, errPasswordNew:
			f.Sentence += "Give the login a new password, without expiry, and write it into the password file."
		default:
			f.Sentence += "Correct the login in main_system.sqlserver or its password, or have the script of agent plan setup-sql run, which makes it."
		}
	default:
		f.Sentence = fmt.Sprintf("%s does not answer: %v. Check host and port in main_system.sqlserver, that the server takes TCP connections, and the firewalls between.", s.at(), err)
		if s.params.Instance != "" {
			f.Sentence += " A named instance is asked for at the SQL Server Browser, UDP port 1434; with HOST:PORT instead it is not needed."
		}
	}
	return f
}

func (s *survey) login() string {
	if s.token {
		return "through Entra ID"
	}
	if s.params.User == "" {
		return "that is this program's Windows account"
	}
	return s.params.User
}

// certificate says which setting accepts what the server shows.
func (s *survey) certificate(err error) string {
	_, why, _ := strings.Cut(err.Error(), handshake+": ")
	text := fmt.Sprintf("The certificate that %s shows is not accepted: %s. ", s.at(), why)
	switch {
	case strings.Contains(why, "unknown authority") || strings.Contains(why, "self-signed") || strings.Contains(why, "not trusted"):
		return text + "If it is the server's own, self-signed one, or of the company's own authority, export it as PEM and name the file in main_system.ca; " +
			"main_system.trust_server_certificate: true accepts any, and whoever is in between could read along."
	case strings.Contains(why, "is valid for") || strings.Contains(why, "doesn't contain any IP SANs") || strings.Contains(why, "not standards compliant") || strings.Contains(why, "legacy Common Name"):
		return text + "Write the name that the certificate holds into main_system.sqlserver, or add ?hostNameInCertificate=NAME to the address."
	case strings.Contains(why, "expired"):
		return text + "Have it renewed, or set this computer's clock."
	}
	return text + "Correct main_system.ca, or give the server a certificate with a key of at least 2048 bits and TLS 1.2."
}

// encryption says how the connection is protected.
func (s *survey) encryption() {
	const check = "connection"
	if s.token {
		s.fine(check, "The agent logs in to %s through Entra ID.", s.at())
	}
	switch {
	case s.params.Encryption == msdsn.EncryptionOff || s.params.Encryption == msdsn.EncryptionDisabled:
		s.note(check, CodeTrust, "", "%s answers, and nothing but the login is encrypted: remove encrypt from the address in main_system.sqlserver.", s.at())
	case s.params.TrustServerCertificate:
		s.note(check, CodeTrust, "", "%s answers, encrypted; its certificate is not verified, so that somebody in between could read along: name it in main_system.ca and remove trust_server_certificate.", s.at())
	default:
		s.fine(check, "%s answers, encrypted, and its certificate is verified.", s.at())
	}
}
