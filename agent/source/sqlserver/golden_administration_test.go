package sqlserver

import (
	"fmt"
	"testing"

	"lessor.dk/portalsync/agent/plan"
)

// TestAdministrationStatements keeps what agent check and agent upgrade ask beside what every poll does. M is "Manage change
// tracking", C "Clean up and troubleshoot change tracking" of the vendor's documentation.
func TestAdministrationStatements(t *testing.T) {
	tables := []plan.Table{{Name: "Medarbejder"}, {Schema: "løn", Name: "O'Holm ]"}}
	list := numbered(tables)
	compareGolden(t, "administration", []golden{
		{"Which server it is, and who the account is there. IS_MEMBER and IS_SRVROLEMEMBER are null for a role that is not there.", serverSQL},
		{"C: how long changes are kept; 14 days outlast any absence of the agent.", retentionSQL},
		{"What the account may do beside reading.", fmt.Sprintf(writesSQL, list)},
		{"M: the primary key constraint of a tracked table cannot be dropped.", fmt.Sprintf(keysSQL, list)},
		{"Whether an upgrade is open: a property of the database itself.", openUpgradeSQL},
		{"Whether the account may set it.", mayMarkSQL},
		{"Which planned tables are there, tracked and keyed, and may be altered.", fmt.Sprintf(upgradeTablesSQL, list)},
	})
}
