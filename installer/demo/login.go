package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"lessor.dk/portalsync/protocol"
)

// Login is one user of the portal.
type Login struct {
	Who      string `json:"who"`
	Username string `json:"username"`
	Password string `json:"password"`
	Employee string `json:"employee,omitempty"` // number in the main system
}

// logins returns one login per role, making the users the first time.
func (s *scene) logins(ctx context.Context) ([]Login, error) {
	file := s.path("logins.json")
	b, err := os.ReadFile(file)
	var logins []Login
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &logins); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		return logins, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the logins: %w", err)
	}
	if logins, err = s.addUsers(ctx); err != nil {
		return nil, err
	}
	if b, err = json.MarshalIndent(logins, "", "  "); err != nil { //nolint:gosec // passwords of a demo, for its own next run
		return nil, fmt.Errorf("keep the logins: %w", err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return nil, fmt.Errorf("keep the logins: %w", err)
	}
	return logins, nil
}

// user is a login and the flags of `receiver user add` that make it.
type user struct {
	Login
	role string
}

func (s *scene) addUsers(ctx context.Context) ([]Login, error) {
	employee, approver, err := s.people(ctx)
	if err != nil {
		return nil, err
	}
	stream := strconv.FormatInt(int64(s.status(ctx).Stream), 10)
	users := []user{
		{Login{Who: "Employee " + employee, Username: "medarbejder", Employee: employee}, "employee"},
		{Login{Who: "Approver " + approver, Username: "godkender", Employee: approver}, "approver"},
		{Login{Who: "Customer administrator", Username: "firmabruger"}, "administrator"},
		{Login{Who: "LESSOR operations", Username: "drift"}, "operations"},
	}
	var logins []Login
	for _, u := range users {
		u.Password = "Demo-7-" + rand.Text()[:8]
		args := []string{"user", "add", u.Username, "--role", u.role, "--name", u.Who, "--language", "da"}
		if u.role != "operations" {
			args = append(args, "--customer", customerCode)
		}
		if u.Employee != "" {
			args = append(args, "--stream", stream, "--employee", u.Employee)
		}
		if _, err := s.receiver.Run(ctx, u.Password+"\n", args...); err != nil {
			return nil, err
		}
		logins = append(logins, u.Login)
	}
	return logins, nil
}

// peopleRead is how many employees are looked at to find two to show.
const peopleRead = 100

// people finds the numbers of two active employees.
func (s *scene) people(ctx context.Context) (employee, approver string, err error) {
	tx, err := s.source.Begin(ctx)
	if err != nil {
		return "", "", err
	}
	defer tx.Close()
	var numbers []string
	for _, k := range s.source.Kinds() {
		if k.Record.Name != "employee" {
			continue
		}
		number, active := -1, -1
		for i, f := range k.Schema.Fields {
			switch f.Name {
			case "employee_no":
				number = i
			case "active":
				active = i
			}
		}
		_, _, err := tx.Chunk(ctx, k.Record.Name, nil, peopleRead, func(r *protocol.Row) error {
			if r.Values[active] == protocol.BoolValue(true) {
				numbers = append(numbers, string([]byte(r.Values[number].S)))
			}
			return nil
		})
		if err != nil {
			return "", "", err
		}
	}
	if len(numbers) == 0 {
		return "", "", errors.New("the plan sends no active employee who could sign in: it needs the kind employee")
	}
	return numbers[len(numbers)-1], numbers[0], nil
}
