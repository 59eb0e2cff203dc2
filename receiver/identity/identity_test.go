package identity

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// memory keeps users for a test. Attempts are counted as the store counts them.
type memory struct {
	users    map[string]User
	attempts map[string]*attempts
	handles  map[string]UserID
}

type attempts struct {
	Attempts
	last time.Time
}

func newMemory() *memory {
	return &memory{users: map[string]User{}, attempts: map[string]*attempts{}, handles: map[string]UserID{}}
}

func (m *memory) CreateUser(_ context.Context, u User) (UserID, error) {
	if _, ok := m.users[Fold(u.Username)]; ok {
		return 0, ErrTaken
	}
	u.ID = UserID(len(m.users) + 1)
	m.users[Fold(u.Username)] = u
	return u.ID, nil
}

func (m *memory) UserByName(_ context.Context, folded string) (User, error) {
	u, ok := m.users[folded]
	if !ok {
		return User{}, ErrNotFound
	}
	return u, nil
}

func (m *memory) SetPassword(_ context.Context, id UserID, hash string) error {
	for name, u := range m.users {
		if u.ID == id {
			u.PasswordHash = hash
			m.users[name] = u
		}
	}
	return nil
}

func (m *memory) CountAttempt(_ context.Context, key string, now time.Time, window time.Duration) (Attempts, error) {
	a := m.attempts[key]
	if a == nil || a.last.Before(now.Add(-window)) {
		a = &attempts{}
		m.attempts[key] = a
	}
	a.Count++
	a.Before, a.last = a.last, now
	return a.Attempts, nil
}

func (m *memory) ForgiveAttempts(_ context.Context, key string, n int) error {
	if a := m.attempts[key]; a != nil {
		if a.Count -= n; n == 0 || a.Count <= 0 {
			delete(m.attempts, key)
		}
	}
	return nil
}

func (m *memory) RememberUsername(_ context.Context, handle string, id UserID, _ time.Time) error {
	m.handles[handle] = id
	return nil
}

func (m *memory) RememberedUsername(_ context.Context, handle string, _ time.Time) (string, error) {
	for _, u := range m.users {
		if m.handles[handle] == u.ID {
			return u.Username, nil
		}
	}
	return "", ErrNotFound
}

func (m *memory) ForgetUsername(_ context.Context, handle string) error {
	delete(m.handles, handle)
	return nil
}

const right = "Havtorn-og-brombær-27"

type clock struct{ time.Time }

func newAnna(t *testing.T, cost Cost) (*Identity, *memory, *clock) {
	t.Helper()
	users, now := newMemory(), &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	i := New(users, Config{Cost: cost, Now: func() time.Time { return now.Time }})
	if _, err := i.Create(t.Context(), NewUser{User: User{Username: "Anna.Holm", Role: Employee}, Password: right}); err != nil {
		t.Fatal(err)
	}
	return i, users, now
}

func TestSignIn(t *testing.T) {
	tests := map[string]struct {
		username, password string
		disabled           bool
		want               error
	}{
		"name and password belong together":       {username: "anna.holm", password: right},
		"the name may be typed in any case":       {username: " ANNA.HOLM", password: right},
		"a wrong password":                        {username: "anna.holm", password: "forkert", want: ErrCredentials},
		"somebody who does not exist":             {username: "bo", password: right, want: ErrCredentials},
		"not even with the decoy's password":      {username: "bo", password: "nobody has this password", want: ErrCredentials},
		"a disabled user with the right password": {username: "anna.holm", password: right, disabled: true, want: ErrCredentials},
		"a password that is endless":              {username: "anna.holm", password: string(make([]byte, 1<<20)), want: ErrCredentials},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i, users, _ := newAnna(t, cheap)
			u := users.users["anna.holm"]
			u.Disabled = tt.disabled
			users.users["anna.holm"] = u
			got, err := i.SignIn(t.Context(), tt.username, tt.password, "192.0.2.7")
			if !errors.Is(err, tt.want) || (tt.want == nil && got.ID != u.ID) {
				t.Errorf("SignIn = %v, %v, want %v", got.ID, err, tt.want)
			}
		})
	}
}

func TestSignInRenewsAnOldHash(t *testing.T) {
	_, users, _ := newAnna(t, cheap)
	old := users.users["anna.holm"].PasswordHash
	dearer := New(users, Config{Cost: Cost{MemoryKiB: 128, Passes: 1, Threads: 1}})
	for range 2 {
		if _, err := dearer.SignIn(t.Context(), "anna.holm", right, "192.0.2.7"); err != nil {
			t.Fatal(err)
		}
	}
	if users.users["anna.holm"].PasswordHash == old {
		t.Error("the hash was not made again")
	}
}

// Who asks for somebody unknown must not learn it from the time the answer takes. What takes the time is filling the
// memory of the hash, and unlike time it can be counted on a busy machine.
func TestSignInTakesAsLongForTheUnknown(t *testing.T) {
	cost := Cost{MemoryKiB: 8 << 10, Passes: 1, Threads: 1}
	i, users, _ := newAnna(t, cost)
	disabled := users.users["anna.holm"]
	disabled.Disabled = true
	users.users["former"] = disabled
	for name, username := range map[string]string{"known": "anna.holm", "unknown": "bo", "disabled": "former", "endless": strings.Repeat("a", 1<<16)} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := i.SignIn(t.Context(), username, "forkert", "192.0.2.7"); !errors.Is(err, ErrCredentials) {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if filled := after.TotalAlloc - before.TotalAlloc; filled < 8<<20 || filled > 12<<20 {
				t.Errorf("the answer took %d bytes of hashing, want the hash's 8 MiB once", filled)
			}
		})
	}
}

func TestThrottle(t *testing.T) {
	wrong := func(i *Identity, username, address string) error {
		_, err := i.SignIn(t.Context(), username, "forkert", address)
		return err
	}
	throttled := func(err error) bool {
		var e *ThrottledError
		return errors.As(err, &e)
	}
	t.Run("five tries are free, the sixth waits, and waiting helps", func(t *testing.T) {
		i, _, now := newAnna(t, cheap)
		for n := range 5 {
			if err := wrong(i, "anna.holm", "192.0.2.7"); throttled(err) {
				t.Fatalf("try %d: %v", n+1, err)
			}
		}
		if err := wrong(i, "anna.holm", "192.0.2.7"); !throttled(err) {
			t.Fatalf("try 6: %v, want to wait", err)
		}
		now.Time = now.Add(time.Minute)
		if _, err := i.SignIn(t.Context(), "anna.holm", right, "192.0.2.7"); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
	t.Run("somebody elsewhere does not keep the user out after a few tries", func(t *testing.T) {
		i, _, _ := newAnna(t, cheap)
		for range 10 {
			_ = wrong(i, "anna.holm", "198.51.100.9")
		}
		if _, err := i.SignIn(t.Context(), "anna.holm", right, "192.0.2.7"); err != nil {
			t.Error(err)
		}
	})
	t.Run("many names from one address wait", func(t *testing.T) {
		i, _, _ := newAnna(t, cheap)
		var err error
		for n := range 40 {
			err = wrong(i, fmt.Sprintf("user%d", n), "192.0.2.7")
		}
		if !throttled(err) {
			t.Errorf("err = %v, want to wait", err)
		}
	})
	t.Run("the addresses of one IPv6 network are one", func(t *testing.T) {
		i, _, _ := newAnna(t, cheap)
		var err error
		for n := range 8 {
			err = wrong(i, "anna.holm", fmt.Sprintf("2001:db8:1:2::%x", n))
		}
		if !throttled(err) {
			t.Errorf("err = %v, want to wait", err)
		}
	})
	t.Run("success forgives the user's tries", func(t *testing.T) {
		i, _, _ := newAnna(t, cheap)
		for range 3 {
			for range 4 {
				_ = wrong(i, "anna.holm", "192.0.2.7")
			}
			if _, err := i.SignIn(t.Context(), "anna.holm", right, "192.0.2.7"); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("the right password does not help while waiting", func(t *testing.T) {
		i, _, _ := newAnna(t, cheap)
		for range 6 {
			_ = wrong(i, "anna.holm", "192.0.2.7")
		}
		if _, err := i.SignIn(t.Context(), "anna.holm", right, "192.0.2.7"); !throttled(err) {
			t.Errorf("err = %v, want to wait", err)
		}
	})
}

func TestCreate(t *testing.T) {
	i, users, _ := newAnna(t, cheap)
	var policy *PolicyError
	if _, err := i.Create(t.Context(), NewUser{User: User{Username: "bo"}, Password: "kort"}); !errors.As(err, &policy) {
		t.Errorf("weak password: err = %v, want a PolicyError", err)
	}
	if _, err := i.Create(t.Context(), NewUser{User: User{Username: "ANNA.holm"}, Password: right}); !errors.Is(err, ErrTaken) {
		t.Errorf("same name in other case: err = %v, want ErrTaken", err)
	}
	if _, err := i.Create(t.Context(), NewUser{User: User{Username: " "}, Password: right}); err == nil {
		t.Error("no name: no error")
	}
	if len(users.users) != 1 {
		t.Errorf("users = %d, want 1", len(users.users))
	}
}

func TestRemember(t *testing.T) {
	i, users, _ := newAnna(t, cheap)
	handle, err := i.Remember(t.Context(), users.users["anna.holm"])
	if err != nil {
		t.Fatal(err)
	}
	if _, kept := users.handles[handle]; kept {
		t.Error("the handle itself is kept, not its digest")
	}
	if name, err := i.Remembered(t.Context(), handle); err != nil || name != "Anna.Holm" {
		t.Errorf("Remembered = %q, %v, want Anna.Holm", name, err)
	}
	if err := i.Forget(t.Context(), handle); err != nil {
		t.Fatal(err)
	}
	if name, err := i.Remembered(t.Context(), handle); err != nil || name != "" {
		t.Errorf("after Forget: %q, %v, want none", name, err)
	}
}
