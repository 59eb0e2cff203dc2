package identity

import (
	"errors"
	"log/slog"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"lessor.dk/portalsync/protocol"
)

// UserID identifies whoever signs in, over all tenants.
type UserID int64

// Role is what a user is to the portal.
type Role string

// The roles, in the predecessor's words: medarbejder, godkender, firmabruger, and LESSOR's own staff.
const (
	Employee      Role = "employee"
	Approver      Role = "approver"
	Administrator Role = "administrator" // the customer's
	Operations    Role = "operations"    // LESSOR's: sees synchronization metadata and no tenant data
)

// Roles lists every role.
func Roles() []Role { return []Role{Employee, Approver, Administrator, Operations} }

// ParseRole returns the role of that name, or an error that lists the names.
func ParseRole(s string) (Role, error) {
	for _, r := range Roles() {
		if string(r) == s {
			return r, nil
		}
	}
	return "", errors.New("role " + s + " is unknown: use employee, approver, administrator or operations")
}

// User is whoever signs in. Tenant, Stream and EmployeeNo link an employee or approver to the
// record of the main system; they are zero for operations.
type User struct {
	ID           UserID
	Username     string // as typed when it was created, after NFKC
	Name         string // shown on screens
	Role         Role
	Tenant       protocol.TenantID
	Stream       protocol.StreamID
	EmployeeNo   string
	Language     string // da, sv or en; empty means not chosen
	PasswordHash string
	Disabled     bool
}

// LogValue keeps names and hashes out of every log.
func (u User) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("user", int64(u.ID)),
		slog.String("role", string(u.Role)),
		slog.Int64("tenant", int64(u.Tenant)),
	)
}

// Fold returns the form of a username that is compared: NFKC, case-folded, without surrounding space.
// "Anna.Holm", "anna.holm " and full-width spellings are one user.
func Fold(username string) string {
	return cases.Fold().String(norm.NFKC.String(strings.TrimSpace(username)))
}
