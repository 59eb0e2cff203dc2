package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// surveyed is a server as a survey asks it, in order: the account may do what the plan needs and nothing else.
type surveyed struct {
	*server
	version    string
	engine     int64
	sysadmin   int64
	owner      int64
	control    int64
	retention  []driver.Value // nil: nothing is tracked
	writes     [2][4]int64    // INSERT, UPDATE, DELETE, ALTER of the two tables
	begun      any            // of an upgrade
	connection error
	params     msdsn.Config
	plan       string
}

func newSurveyed() *surveyed {
	s := &surveyed{server: newServer(), version: "16.0.4135.4", engine: 3, retention: []driver.Value{int64(14), int64(3), true}, plan: fakePlan}
	s.params = msdsn.Config{Host: "lon.example.dk", Port: 1433, User: "portalsync", Database: "loen", Encryption: msdsn.EncryptionRequired}
	s.rows = func(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
		switch {
		case query == serverSQL:
			return resultOf([]driver.Value{s.version, "Standard Edition", s.engine, `FIRMA\portalsync$`, "portal]sync", s.sysadmin, s.owner, int64(0), int64(0), s.control}), nil
		case query == retentionSQL && s.retention != nil:
			return resultOf(s.retention), nil
		case strings.Contains(query, "'DELETE'"):
			var list [][]driver.Value
			for i, may := range s.writes {
				list = append(list, []driver.Value{int64(i), may[0], may[1], may[2], may[3]})
			}
			return resultOf(list...), nil
		case strings.Contains(query, "sys.key_constraints"):
			return resultOf([]driver.Value{int64(0), "PK_Afd]"}), nil
		case query == openUpgradeSQL && s.begun != nil:
			return resultOf([]driver.Value{s.begun}), nil
		}
		return resultOf(), nil
	}
	return s
}

func (s *surveyed) Connect(ctx context.Context) (driver.Conn, error) {
	if s.connection != nil {
		return nil, s.connection
	}
	return s.server.Connect(ctx)
}

// survey returns what is not as it should be: check, code and grade, and then the statement.
func (s *surveyed) survey(t *testing.T) (told []string, all []Finding) {
	t.Helper()
	p := parsed(t, s.plan)
	db := open(s, readSession, defaultLockTimeout)
	defer db.Close()
	look := &survey{plan: p, needs: needs(p), params: s.params, yield: func(f Finding) {
		all = append(all, f)
		if f.Code == "" {
			return
		}
		grade := "wrong"
		if f.Note {
			grade = "note"
		}
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s: %s %s", grade, f.Check, f.Code, f.Statement)))
	}}
	look.run(t.Context(), db)
	return told, all
}

func TestSurvey(t *testing.T) {
	// Whatever else is found, a vendor's upgrade is warned of.
	blocked := "note upgrade: upgrade-blocked"
	tests := map[string]struct {
		change   func(*surveyed)
		want     []string
		sentence string // that one of the findings holds
	}{
		"everything is as it should be": {func(*surveyed) {}, []string{blocked}, "ALTER TABLE [dbo].[Afdeling] DROP CONSTRAINT [PK_Afd]]]; ALTER TABLE [dbo].[Afdeling] SWITCH"},
		"nothing answers": {func(s *surveyed) { s.connection = errors.New("connection refused") },
			[]string{"wrong connection: database-unreachable"}, "lon.example.dk:1433 does not answer"},
		"a named instance does not answer": {func(s *surveyed) { s.connection, s.params.Instance = errors.New("no instance"), "LOEN" },
			[]string{"wrong connection: database-unreachable"}, "UDP port 1434"},
		"a self-signed certificate": {func(s *surveyed) {
			s.connection = errors.New(handshake + ": x509: certificate signed by unknown authority")
		},
			[]string{"wrong connection: database-tls"}, "name the file in main_system.ca"},
		"a certificate of another name": {func(s *surveyed) {
			s.connection = errors.New(handshake + ": x509: certificate is valid for sql1, not lon.example.dk")
		},
			[]string{"wrong connection: database-tls"}, "hostNameInCertificate"},
		"a wrong password": {func(s *surveyed) { s.connection = mssql.Error{Number: 18456, Message: "Login failed"} },
			[]string{"wrong connection: database-login"}, "refuses the login portalsync"},
		"no such database, or no user in it": {func(s *surveyed) { s.connection = mssql.Error{Number: 4060, Message: "Cannot open database"} },
			[]string{"wrong connection: database-name"}, "agent plan setup-sql"},
		"every certificate is trusted": {func(s *surveyed) { s.params.TrustServerCertificate = true },
			[]string{"note connection: database-trust", blocked}, "could read along"},
		"nothing is encrypted": {func(s *surveyed) { s.params.Encryption = msdsn.EncryptionDisabled },
			[]string{"note connection: database-trust", blocked}, "nothing but the login is encrypted"},
		"SQL Server 2014": {func(s *surveyed) { s.version = "12.0.6024.0" }, []string{"wrong server: server-old", blocked}, "SQL Server 2016"},
		"Azure calls itself 12": {func(s *surveyed) { s.version, s.engine = "12.0.2000.8", azureDatabase },
			[]string{blocked}, ""},
		"a secondary replica": {func(s *surveyed) { s.updateable, s.primary = "READ_ONLY", int64(0) },
			[]string{"wrong database: database-read-only", blocked}, "secondary replica"},
		"snapshot isolation is off": {func(s *surveyed) { s.snapshot = 0 },
			[]string{"wrong database: snapshot-off ALTER DATABASE [loen] SET ALLOW_SNAPSHOT_ISOLATION ON;", blocked}, ""},
		"snapshot isolation is off where rows are followed by their version": {func(s *surveyed) { s.snapshot, s.plan = 0, withMode(s.plan, "rowversion") },
			[]string{"note database: snapshot-off ALTER DATABASE [loen] SET ALLOW_SNAPSHOT_ISOLATION ON;", "wrong table Afdeling: table-missing", "wrong table Sted: table-missing"}, "no rowversion column"},
		"the database tracks nothing": {func(s *surveyed) { s.retention = nil },
			[]string{"wrong change tracking: tracking-off ALTER DATABASE [loen] SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON);", blocked}, ""},
		"two days are kept, given in hours": {func(s *surveyed) { s.retention = []driver.Value{int64(48), int64(2), true} },
			[]string{"wrong change tracking: retention-short ALTER DATABASE [loen] SET CHANGE_TRACKING (CHANGE_RETENTION = 14 DAYS);", blocked}, "48h0m0s"},
		"nothing is cleaned up": {func(s *surveyed) { s.retention[2] = false },
			[]string{"note change tracking: retention-short ALTER DATABASE [loen] SET CHANGE_TRACKING (AUTO_CLEANUP = ON);", blocked}, ""},
		"a table that is not there, or not shown": {func(s *surveyed) { delete(s.tables, "Sted") },
			[]string{"wrong table Sted: table-missing GRANT SELECT ON [dbo].[Sted] ([Nr], [Navn]) TO [portal]]sync];", blocked}, ""},
		"a column that is not there": {func(s *surveyed) { s.tables["Sted"].columns = s.tables["Sted"].columns[:1] },
			[]string{"wrong table Sted: table-missing", blocked}, "no column Navn"},
		"a column that may not be read": {func(s *surveyed) { s.tables["Sted"].columns[1].readable = false },
			[]string{"wrong table Sted: right-missing GRANT SELECT ON [dbo].[Sted] ([Navn]) TO [portal]]sync];", blocked}, ""},
		"the right to see changes is missing, and tracking is on": {func(s *surveyed) { s.tables["Sted"].sees = false },
			[]string{"wrong table Sted: right-missing GRANT VIEW CHANGE TRACKING ON [dbo].[Sted] TO [portal]]sync];", blocked}, ""},
		"tracking is off, and the right is there": {func(s *surveyed) { s.tables["Sted"].tracked = false },
			[]string{"wrong table Sted: table-untracked ALTER TABLE [dbo].[Sted] ENABLE CHANGE_TRACKING;", blocked}, ""},
		"a table without a key": {func(s *surveyed) { s.tables["Sted"].key, s.tables["Sted"].tracked = nil, false },
			[]string{"wrong table Sted: table-keyless", blocked}, "write mode: compare"},
		"an administrator of the server": {func(s *surveyed) { s.sysadmin, s.owner, s.control = 1, 1, 1 },
			[]string{`note login: rights-excess ALTER SERVER ROLE [sysadmin] DROP MEMBER [FIRMA\portalsync$];`, blocked}, ""},
		"the database's owner": {func(s *surveyed) { s.owner, s.control = 1, 1 },
			[]string{"note login: rights-excess ALTER ROLE [db_owner] DROP MEMBER [portal]]sync];", blocked}, ""},
		"writes where it only reads": {func(s *surveyed) { s.writes[1] = [4]int64{0, 1, 1, 0} },
			[]string{"note table Sted: rights-excess REVOKE UPDATE, DELETE ON [dbo].[Sted] FROM [portal]]sync];", blocked}, ""},
		"the recovery fork is not shown": {func(s *surveyed) { s.fork = "" },
			[]string{`note lineage: lineage-weak GRANT VIEW ANY DATABASE TO [FIRMA\portalsync$];`, blocked}, "only while its counter is behind"},
		"there is no recovery fork": {func(s *surveyed) { s.noFork, s.engine = true, azureDatabase },
			[]string{"note lineage: lineage-weak", blocked}, ""},
		"an upgrade that nobody ended": {func(s *surveyed) { s.begun = "2026-11-20T20:00:00Z" },
			[]string{"wrong upgrade: upgrade-open"}, "run agent upgrade end"},
		"what an upgrade has released is no finding of its own": {func(s *surveyed) { s.begun, s.tables["Sted"].tracked = "2026-11-20T20:00:00Z", false },
			[]string{"wrong upgrade: upgrade-open"}, "it is released for the upgrade"},
		"the server stops answering": {func(s *surveyed) {
			s.refuse = func(query string) error {
				if query == retentionSQL {
					return mssql.Error{Number: 229, Message: "The SELECT permission was denied"}
				}
				return nil
			}
		}, []string{"wrong database: database-error"}, "permission was denied"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSurveyed()
			tt.change(s)
			told, all := s.survey(t)
			if diff := cmp.Diff(tt.want, told); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
			var sentences strings.Builder
			for _, f := range all {
				sentences.WriteString(f.Sentence + "\n")
				if !strings.HasSuffix(f.Sentence, ".") {
					t.Errorf("%q does not end as a sentence does", f.Sentence)
				}
			}
			if !strings.Contains(sentences.String(), tt.sentence) {
				t.Errorf("no finding holds %q:\n%s", tt.sentence, sentences.String())
			}
		})
	}
}

// withMode gives the plan another way to find changes.
func withMode(text, mode string) string {
	return strings.Replace(text, "version: 1\n", "version: 1\nmode: "+mode+"\n", 1)
}

// TestSurveyWritesNothing holds the survey to questions.
func TestSurveyWritesNothing(t *testing.T) {
	s := newSurveyed()
	s.survey(t)
	for _, statement := range s.noted() {
		if !strings.HasPrefix(statement, "SELECT") {
			t.Errorf("the survey runs %q", statement)
		}
	}
}
