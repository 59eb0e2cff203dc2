package sqlserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// Account is whom a database's administrator lets in.
type Account struct {
	// Name is that of a SQL login, or DOMAIN\NAME of a Windows account, NT SERVICE\NAME included.
	Name string
	// Windows means that the server asks Windows who it is; else it asks for a password.
	Windows bool
	// Entra means that the server asks Entra ID who it is: the account is a user of the database without a login.
	Entra bool
}

// AccountOf returns the account that an address names, or the given one: DOMAIN\NAME is a Windows account. Without
// either nobody knows which account the service runs as.
func AccountOf(address, given string) (Account, error) {
	if given == "" {
		u, err := url.Parse(address)
		if err != nil {
			return Account{}, errors.New("the database's address is not one")
		}
		if given = u.User.Username(); given == "" {
			return Account{}, errors.New(`the address names no login, so the service's own Windows account is meant: say which with --account DOMAIN\NAME, a gMSA as DOMAIN\NAME$`)
		}
	}
	return Account{Name: given, Windows: strings.Contains(given, `\`)}, nil
}

// Database returns the name of the database of an address.
func Database(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("database")
}

// setup is a script for a database's administrator: steps in their order, each with what takes it back.
type setup struct {
	database string
	account  Account
	steps    []step
}

// step is one thing the script sees to. Its texts are batches of T-SQL.
type step struct {
	why  string // one line
	do   string
	undo string // taken back in the opposite order
	// mark is under what name the script notes in the database that it was this step that changed something, so that the
	// undo script takes back nothing that was there before. Empty where a step only grants.
	mark string
}

// SetupScript returns the script that prepares a database for the plan, or takes back what that script made. Run twice it
// changes nothing the second time. It holds no secret: the password is asked of whoever runs it.
func SetupScript(database string, account Account, p *plan.Plan, undo bool) string {
	s := &setup{database: database, account: account}
	list := needs(p)
	if account.Entra {
		s.external()
	} else {
		s.login()
		s.user()
		s.lineage()
	}
	if tracks(list) {
		s.tracking()
	}
	if counting(p) != plan.Compare {
		s.snapshot(tracks(list))
	}
	for _, n := range list {
		s.table(n)
	}
	for _, in := range p.Inboxes {
		s.inbox(in)
	}
	var b strings.Builder
	what := "prepares the database for the agent of PortalSync, as the plan asks. Run it as an administrator of the server; again does no harm."
	if undo {
		what = "takes back what the script of agent plan setup-sql made in this database, and every right of the account that it grants. Stop the agent before."
	}
	fmt.Fprintf(&b, "-- This script %s\n-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.\n"+
		"-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.\n", what)
	fmt.Fprintf(&b, "USE %s;\nSET NOCOUNT ON;\nGO\n", quote(database))
	if undo {
		for i := len(s.steps) - 1; i >= 0; i-- {
			s.steps[i].printUndo(&b)
		}
	} else {
		for _, step := range s.steps {
			step.print(&b)
		}
	}
	return b.String()
}

func (x step) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n-- %s\n%s\nGO\n", oneLine(x.why), x.do)
}

func (x step) printUndo(b *strings.Builder) {
	if x.undo == "" {
		return
	}
	if x.mark == "" {
		fmt.Fprintf(b, "\n-- Takes back: %s\n%s\nGO\n", oneLine(x.why), x.undo)
		return
	}
	fmt.Fprintf(b, "\n-- Takes back, where the script did it: %s\nIF %s\nBEGIN\n%s\n    EXEC sys.sp_dropextendedproperty @name = %s;\nEND;\nGO\n",
		oneLine(x.why), marked(x.mark), indent(x.undo), text(x.mark))
}

// oneLine keeps a name with a line break in it from ending a comment.
func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// marked is the condition that a step was done by the script.
func marked(name string) string {
	return "EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = " + text(name) + ")"
}

// markOf names a mark. Names of tables are longer than those of properties may be.
func markOf(what, of string) string {
	if of == "" {
		return "PortalSync.made." + what
	}
	sum := sha256.Sum256([]byte(strings.ToLower(of)))
	return "PortalSync.made." + what + "." + hex.EncodeToString(sum[:8])
}

// once is a batch that does something unless a condition holds already, and notes that it did.
func once(unless, do, mark, value string) string {
	return fmt.Sprintf("IF NOT EXISTS (%s)\nBEGIN\n%s\n    EXEC sys.sp_addextendedproperty @name = %s, @value = %s;\nEND;", unless, indent(do), text(mark), text(value))
}

// login lets the account into the server. The password never stands in the script that is printed.
func (s *setup) login() {
	name := s.account.Name
	unless := "SELECT 1 FROM sys.server_principals WHERE name = " + text(name)
	mark := markOf("login", "")
	do := "CREATE LOGIN " + quote(name) + " FROM WINDOWS;"
	why := "The Windows account that the agent's service runs as may connect to the server."
	if !s.account.Windows {
		why = "A SQL login for the agent. Write its password between the quotes of @password; the same goes into the agent's password file."
		do = "DECLARE @password nvarchar(128) = N'';\n" +
			"IF @password = N''\nBEGIN;\n    THROW 50000, N'Write a password into @password of this step, then run the script again.', 1;\nEND;\n" +
			"DECLARE @create nvarchar(max) = " + text("CREATE LOGIN "+quote(name)+" WITH PASSWORD = N'") + " + REPLACE(@password, N'''', N'''''') + N''', CHECK_EXPIRATION = OFF;';\n" +
			"EXEC (@create);"
	}
	s.steps = append(s.steps, step{why: why, do: once(unless, do, mark, name), undo: "DROP LOGIN " + quote(name) + ";", mark: mark})
}

func (s *setup) user() {
	name, mark := s.account.Name, markOf("user", "")
	s.steps = append(s.steps, step{
		why:  "The login's user in this database. It belongs to no role.",
		do:   once("SELECT 1 FROM sys.database_principals WHERE name = "+text(name), "CREATE USER "+quote(name)+" FOR LOGIN "+quote(name)+";", mark, name),
		undo: "DROP USER " + quote(name) + ";", mark: mark,
	})
}

// external makes the user of an application or managed identity of Entra ID, which has no login on the server.
func (s *setup) external() {
	name, mark := s.account.Name, markOf("user", "")
	s.steps = append(s.steps, step{
		why:  "The user of the agent's application or managed identity in Entra ID. Run this as an administrator who came in through Entra ID.",
		do:   once("SELECT 1 FROM sys.database_principals WHERE name = "+text(name), "CREATE USER "+quote(name)+" FROM EXTERNAL PROVIDER;", mark, name),
		undo: "DROP USER " + quote(name) + ";", mark: mark,
	})
}

// lineage lets the account see which backup the database was restored from.
func (s *setup) lineage() {
	name, mark := s.account.Name, markOf("view", "")
	s.steps = append(s.steps, step{
		why: "Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.",
		do: once("SELECT 1 FROM sys.server_permissions AS p JOIN sys.server_principals AS g ON g.principal_id = p.grantee_principal_id\n"+
			"               WHERE p.type = 'VWDB' AND p.state IN ('G', 'W') AND g.name IN (N'public', "+text(name)+")",
			"DECLARE @grant nvarchar(max) = "+text("USE [master]; GRANT VIEW ANY DATABASE TO "+quote(name)+";")+";\nEXEC (@grant);", mark, name),
		undo: "DECLARE @revoke nvarchar(max) = " + text("USE [master]; REVOKE VIEW ANY DATABASE FROM "+quote(name)+";") + ";\nEXEC (@revoke);", mark: mark,
	})
}

// tracking switches on that the database keeps its changes, and lengthens how long.
func (s *setup) tracking() {
	const is = "SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID()"
	mark, kept := markOf("tracking", ""), markOf("retention", "")
	alter := "ALTER DATABASE CURRENT SET CHANGE_TRACKING "
	s.steps = append(s.steps, step{
		why: "The database keeps which rows changed, for 14 days: the longest the agent may be away without loading anew. Of the rows it keeps the keys only.",
		do:  once(is, alter+"= ON "+tracksLong+";", mark, s.database),
		undo: "IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables) -- somebody else's tables may be tracked by now\n" +
			"    " + alter + "= OFF;", mark: mark,
	}, step{
		why: "Where it kept them for less, it keeps them longer. How long it was is noted for the undo script.",
		do: "DECLARE @was nvarchar(60) = (SELECT CONCAT(retention_period, N' ', retention_period_units_desc) FROM sys.change_tracking_databases\n" +
			"    WHERE database_id = DB_ID() AND retention_period * CASE retention_period_units WHEN 1 THEN 1 WHEN 2 THEN 60 ELSE 1440 END < 14 * 1440);\n" +
			"IF @was IS NOT NULL\nBEGIN\n    " + alter + keptLong + ";\n" +
			"    EXEC sys.sp_addextendedproperty @name = " + text(kept) + ", @value = @was;\nEND;",
		undo: "DECLARE @back nvarchar(max) = (SELECT N'" + alter + "(CHANGE_RETENTION = ' + CONVERT(nvarchar(60), value) + N');'\n" +
			"    FROM sys.extended_properties WHERE class = 0 AND name = " + text(kept) + ");\nEXEC (@back);", mark: kept,
	})
}

func (s *setup) snapshot(must bool) {
	why := "Lets a read see one state of all tables without waiting for writers, or they for it."
	if must {
		why = "Lets a read see one state of all tables without waiting for writers, or they for it; without it changes could be missed."
	}
	mark := markOf("snapshot", "")
	s.steps = append(s.steps, step{
		why:  why,
		do:   once("SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state IN (1, 3)", "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;", mark, s.database),
		undo: "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF;", mark: mark,
	})
}
