// Package identity says who a visitor of the portal is: users and their roles, passwords and
// the policy for choosing one, sign-in with its throttle, and the remembered username (L21).
//
// It knows neither HTTP nor SQL. The store implements [Users]; the web asks [Identity].
package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Errors that a person at the keyboard caused. Everything else is a fault.
var (
	// ErrNotFound says that no user, or no remembered username, is known by that name.
	ErrNotFound = errors.New("user not found")
	// ErrTaken says that the username is in use.
	ErrTaken = errors.New("username is taken")
	// ErrCredentials says that username and password do not belong together. It is the same error,
	// after the same time, whether or not the user exists.
	ErrCredentials = errors.New("username or password is wrong")
)

// Users is where users are kept.
type Users interface {
	// CreateUser adds a user and returns its id; [ErrTaken] when the folded username is in use.
	CreateUser(ctx context.Context, u User) (UserID, error)
	// UserByName finds a user by the username as [Fold] returns it; [ErrNotFound] when there is none.
	UserByName(ctx context.Context, folded string) (User, error)
	// SetPassword replaces the hash.
	SetPassword(ctx context.Context, id UserID, hash string) error
	// CountAttempt adds one attempt to a key and returns how many there are now and when the one before
	// was. Attempts older than the window are forgotten first.
	CountAttempt(ctx context.Context, key string, now time.Time, window time.Duration) (Attempts, error)
	// RememberUsername keeps a username under a handle's digest until it expires.
	RememberUsername(ctx context.Context, handle string, id UserID, until time.Time) error
	// RememberedUsername returns the username of a handle's digest; [ErrNotFound] when none or expired.
	RememberedUsername(ctx context.Context, handle string, now time.Time) (string, error)
	// ForgetUsername removes a handle's digest. An unknown one is no error.
	ForgetUsername(ctx context.Context, handle string) error
	// ForgiveAttempts takes n attempts off a key; n of 0 takes all.
	ForgiveAttempts(ctx context.Context, key string, n int) error
}

const maxUsernameBytes = 256

// Config tunes an Identity. The zero value is usable.
type Config struct {
	Cost Cost             // of a password hash; zero means DefaultCost
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil discards
}

// Identity signs users in.
type Identity struct {
	users Users
	cost  Cost
	decoy string        // hash that is verified when the user is unknown
	slots chan struct{} // bounds the memory of hashes at work
	now   func() time.Time
	log   *slog.Logger
}

// New returns an Identity over the given users.
func New(users Users, cfg Config) *Identity {
	i := &Identity{
		users: users,
		cost:  cfg.Cost,
		decoy: HashPassword("nobody has this password", cfg.Cost),
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		now:   cfg.Now,
		log:   cfg.Log,
	}
	if i.now == nil {
		i.now = time.Now
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	return i
}

// NewUser is a user to be created.
type NewUser struct {
	User
	Password string
}

// Create adds a user with a password that keeps the profile "classic" (L28). A refused password is a
// *[PolicyError]; a username in use is [ErrTaken].
func (i *Identity) Create(ctx context.Context, n NewUser) (UserID, error) {
	u := n.User
	u.Username = norm.NFKC.String(strings.TrimSpace(u.Username))
	if u.Username == "" || len(u.Username) > maxUsernameBytes {
		return 0, errors.New("username is empty or longer than 256 bytes: give the name the user will sign in with")
	}
	if flaws := CheckClassic(u.Username, n.Password); len(flaws) > 0 {
		return 0, &PolicyError{Flaws: flaws}
	}
	u.PasswordHash = HashPassword(n.Password, i.cost)
	id, err := i.users.CreateUser(ctx, u)
	if err != nil {
		return 0, fmt.Errorf("create user: %w", err)
	}
	return id, nil
}

// SignIn returns the user of that name and password. The address is the visitor's, for the throttle.
// Errors of the visitor are [ErrCredentials] and *[ThrottledError].
func (i *Identity) SignIn(ctx context.Context, username, password, address string) (User, error) {
	folded := Fold(username)
	if len(folded) > maxUsernameBytes {
		folded = folded[:0] // nobody's name, and not kept as a throttle key
	}
	keys := keysOf(folded, address)
	if err := i.admit(ctx, keys); err != nil {
		return User{}, err
	}
	u, err := i.users.UserByName(ctx, folded)
	known := err == nil && !u.Disabled
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, fmt.Errorf("find user: %w", err)
	}
	hash := i.decoy
	if known {
		hash = u.PasswordHash
	}
	ok, rehash, err := i.verify(ctx, password, hash)
	if err != nil {
		return User{}, err
	}
	if !ok || !known {
		i.log.InfoContext(ctx, "sign-in refused", "known", known)
		return User{}, ErrCredentials
	}
	if err := i.welcome(ctx, u, password, rehash, keys); err != nil {
		return User{}, err
	}
	return u, nil
}

// welcome forgives the attempts of a user who succeeded and brings an old hash up to date.
func (i *Identity) welcome(ctx context.Context, u User, password string, rehash bool, keys throttleKeys) error {
	for _, key := range []string{keys.pair, keys.user} {
		if err := i.users.ForgiveAttempts(ctx, key, 0); err != nil {
			return fmt.Errorf("forgive attempts: %w", err)
		}
	}
	// Only this attempt: somebody with an account must not be able to clear the address for guessing.
	if err := i.users.ForgiveAttempts(ctx, keys.address, 1); err != nil {
		return fmt.Errorf("forgive attempts: %w", err)
	}
	if rehash {
		if err := i.users.SetPassword(ctx, u.ID, HashPassword(password, i.cost)); err != nil {
			return fmt.Errorf("renew password hash: %w", err)
		}
	}
	i.log.InfoContext(ctx, "signed in", "user", u)
	return nil
}

func (i *Identity) verify(ctx context.Context, password, hash string) (ok, rehash bool, err error) {
	if len(password) > MaxPasswordBytes {
		password, hash = "", i.decoy // never right, and as slow as any other
	}
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	case <-ctx.Done():
		return false, false, fmt.Errorf("wait for a free hash slot: %w", ctx.Err())
	}
	ok, rehash, err = VerifyPassword(password, hash, i.cost)
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	return ok, rehash, nil
}
