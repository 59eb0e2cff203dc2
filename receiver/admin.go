package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/keyring"
	"lessor.dk/portalsync/receiver/store"
)

// inviteLifetime is how long an invite's code may be used.
const inviteLifetime = time.Hour

func newCustomer(s *settings) *cobra.Command {
	add := &cobra.Command{
		Use:   "add CODE NAME",
		Short: "Add a customer; CODE is short and stable, NAME is shown on screens",
		Args:  takes(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withStore(cmd.Context(), func(ctx context.Context, _ *config.Config, st *store.Store) error {
				id, err := st.CreateTenant(ctx, args[0], args[1])
				if errors.Is(err, store.ErrExists) {
					return fmt.Errorf("customer code %q is in use: choose another", args[0])
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "customer %d added\n", id)
				return err
			})
		},
	}
	return group("customer", "Manage customers", add)
}

func newInvite(s *settings) *cobra.Command {
	var asJSON bool
	var mainSystem string
	cmd := &cobra.Command{
		Use:   "invite CUSTOMER",
		Short: "Make a code that lets one agent of a customer enrol once, within 60 minutes",
		Args:  takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withStore(cmd.Context(), func(ctx context.Context, cfg *config.Config, st *store.Store) error {
				keys, err := keyring.Open(keysDir(cfg))
				if err != nil {
					return err
				}
				tenant, err := tenantByCode(ctx, st, args[0])
				if err != nil {
					return err
				}
				code, now := protocol.NewInviteCode(keys.Root()), time.Now()
				err = st.CreateInvite(ctx, store.Invite{
					ID: code.Invite, Tenant: tenant, Secret: protocol.EnrolVerifier(code.Secret), MainSystem: mainSystem,
					CreatedBy: account(), CreatedAt: now, ExpiresAt: now.Add(inviteLifetime),
				})
				if err != nil {
					return err
				}
				return printInvite(cmd.OutOrStdout(), code, now.Add(inviteLifetime), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&mainSystem, "main-system", "Løn", "what the customer calls the main system")
	return cmd
}

func printInvite(w io.Writer, code protocol.InviteCode, expires time.Time, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]string{
			"code": code.Text(), "invite": code.Invite, "expires_at": expires.UTC().Format(time.RFC3339),
		})
	}
	_, err := fmt.Fprintf(w, "%s\n\nValid once, until %s. On the customer's server: agent enrol\n",
		code.Text(), expires.Format("15:04"))
	return err
}

func newUser(s *settings) *cobra.Command {
	return group("user", "Manage users of the portal", newUserAdd(s))
}

func newUserAdd(s *settings) *cobra.Command {
	var u identity.NewUser
	var role, customer string
	cmd := &cobra.Command{
		Use:   "add USERNAME",
		Short: "Add a user; the password is the first line of standard input",
		Args:  takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withStore(cmd.Context(), func(ctx context.Context, _ *config.Config, st *store.Store) error {
				var err error
				u.Username = args[0]
				if u.Role, err = identity.ParseRole(role); err != nil {
					return err
				}
				if customer != "" {
					if u.Tenant, err = tenantByCode(ctx, st, customer); err != nil {
						return err
					}
				}
				if u.Password, err = firstLine(cmd.InOrStdin()); err != nil {
					return err
				}
				if _, err := identity.New(st, identity.Config{}).Create(ctx, u); err != nil {
					return fmt.Errorf("add user %s: %w", u.Username, err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "user %s added\n", u.Username)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", string(identity.Employee), "employee, approver, administrator or operations")
	cmd.Flags().StringVar(&customer, "customer", "", "customer code; none for operations")
	cmd.Flags().Int64Var((*int64)(&u.Stream), "stream", 0, "stream of the main system the employee is in")
	cmd.Flags().StringVar(&u.EmployeeNo, "employee", "", "employee number in the main system")
	cmd.Flags().StringVar(&u.Name, "name", "", "name shown on screens")
	cmd.Flags().StringVar(&u.Language, "language", "", "da, sv or en")
	return cmd
}

func tenantByCode(ctx context.Context, st *store.Store, code string) (protocol.TenantID, error) {
	tenants, err := st.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(tenants, func(t store.Tenant) bool { return t.Code == code })
	if i < 0 {
		return 0, fmt.Errorf("there is no customer with code %q: add it with receiver customer add, or correct the code", code)
	}
	return tenants[i].ID, nil
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("standard input holds no password: give it as the first line")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return line, nil
}

// account names who runs the command, for the log of invites.
func account() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
