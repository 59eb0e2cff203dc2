package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/receiver/identity"
)

const createUserSQL = `
INSERT INTO user_account (username, folded, name, role, tenant_id, stream_id, employee_no, language, password_hash, disabled, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
RETURNING user_id`

// CreateUser adds a user, whose password is hashed already. A username in use is [identity.ErrTaken].
func (s *Store) CreateUser(ctx context.Context, u identity.User) (identity.UserID, error) {
	var id identity.UserID
	err := s.write.QueryRowContext(ctx, createUserSQL, u.Username, identity.Fold(u.Username), u.Name, u.Role, u.Tenant, u.Stream,
		u.EmployeeNo, u.Language, u.PasswordHash, flag(u.Disabled), millis(time.Now())).Scan(&id)
	if s.dialect.unique(err) {
		return 0, identity.ErrTaken
	}
	if err != nil {
		return 0, fmt.Errorf("create user: %w", err)
	}
	return id, nil
}

const userByNameSQL = `
SELECT user_id, username, name, role, tenant_id, stream_id, employee_no, language, password_hash, disabled
FROM   user_account
WHERE  folded = $1`

// UserByName finds a user by the folded username; [identity.ErrNotFound] when there is none.
func (s *Store) UserByName(ctx context.Context, folded string) (identity.User, error) {
	var u identity.User
	err := scanUser(s.read.QueryRowContext(ctx, userByNameSQL, folded), &u)
	return u, err
}

const visitorSQL = `
SELECT u.user_id, u.username, u.name, u.role, u.tenant_id, u.stream_id, u.employee_no, u.language, u.password_hash, u.disabled,
       COALESCE(t.name, '')
FROM   user_account u
LEFT   JOIN tenant  t ON t.tenant_id = u.tenant_id
WHERE  u.user_id = $1`

// Visitor returns the user of a session and the name of the user's customer; [identity.ErrNotFound] when there is none.
func (s *Store) Visitor(ctx context.Context, id identity.UserID) (u identity.User, customer string, err error) {
	err = scanUser(s.read.QueryRowContext(ctx, visitorSQL, id), &u, &customer)
	return u, customer, err
}

func scanUser(row *sql.Row, u *identity.User, more ...any) error {
	err := row.Scan(append([]any{&u.ID, &u.Username, &u.Name, &u.Role, &u.Tenant, &u.Stream, &u.EmployeeNo, &u.Language,
		&u.PasswordHash, &u.Disabled}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return identity.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	return nil
}

//nolint:gosec // a statement, not a password
const setPasswordSQL = `
UPDATE user_account
SET    password_hash = $2
WHERE  user_id = $1`

// SetPassword replaces a user's password hash.
func (s *Store) SetPassword(ctx context.Context, id identity.UserID, hash string) error {
	return s.one(ctx, "set password", setPasswordSQL, id, hash)
}

const setLanguageSQL = `
UPDATE user_account
SET    language = $2
WHERE  user_id = $1`

// SetLanguage keeps the language a user chose.
func (s *Store) SetLanguage(ctx context.Context, id identity.UserID, language string) error {
	return s.one(ctx, "set language", setLanguageSQL, id, language)
}

const countAttemptSQL = `
INSERT INTO sign_in_attempt AS a (attempt_key, attempts, before_at, last_at)
VALUES ($1, 1, 0, $2)
ON CONFLICT (attempt_key) DO UPDATE
SET attempts  = CASE WHEN a.last_at < $3 THEN 1 ELSE a.attempts + 1 END,
    before_at = CASE WHEN a.last_at < $3 THEN 0 ELSE a.last_at END,
    last_at   = $2
RETURNING attempts, before_at`

// CountAttempt adds one sign-in attempt to a throttle key and returns how many there are now. Attempts
// whose last one is older than the window are forgotten first.
func (s *Store) CountAttempt(ctx context.Context, key string, now time.Time, window time.Duration) (identity.Attempts, error) {
	var a identity.Attempts
	var before int64
	err := s.write.QueryRowContext(ctx, countAttemptSQL, key, millis(now), millis(now.Add(-window))).Scan(&a.Count, &before)
	if err != nil {
		return identity.Attempts{}, fmt.Errorf("count attempt: %w", err)
	}
	a.Before = instant(before)
	return a, nil
}

const forgiveAttemptsSQL = `
UPDATE sign_in_attempt
SET    attempts = attempts - $2
WHERE  attempt_key = $1 AND attempts > $2`

const forgetAttemptsSQL = `
DELETE FROM sign_in_attempt
WHERE  attempt_key = $1 AND ($2 = 0 OR attempts <= $2)`

// ForgiveAttempts takes n attempts off a throttle key; n of 0 takes all.
func (s *Store) ForgiveAttempts(ctx context.Context, key string, n int) error {
	if _, err := s.write.ExecContext(ctx, forgetAttemptsSQL, key, n); err != nil {
		return fmt.Errorf("forget attempts: %w", err)
	}
	if n == 0 {
		return nil
	}
	if _, err := s.write.ExecContext(ctx, forgiveAttemptsSQL, key, n); err != nil {
		return fmt.Errorf("forgive attempts: %w", err)
	}
	return nil
}

const rememberUsernameSQL = `
INSERT INTO remembered_username (handle, user_id, expires_at)
VALUES ($1, $2, $3)`

const purgeUsernamesSQL = `
DELETE FROM remembered_username
WHERE  user_id = $1 AND expires_at <= $2`

// RememberUsername keeps a username under the digest of a cookie's handle (L21), and forgets the user's expired ones.
func (s *Store) RememberUsername(ctx context.Context, handle string, id identity.UserID, until time.Time) error {
	if _, err := s.write.ExecContext(ctx, purgeUsernamesSQL, id, millis(time.Now())); err != nil {
		return fmt.Errorf("purge remembered usernames: %w", err)
	}
	if _, err := s.write.ExecContext(ctx, rememberUsernameSQL, handle, id, millis(until)); err != nil {
		return fmt.Errorf("remember username: %w", err)
	}
	return nil
}

const rememberedUsernameSQL = `
SELECT u.username
FROM   remembered_username r
JOIN   user_account        u ON u.user_id = r.user_id
WHERE  r.handle = $1 AND r.expires_at > $2`

// RememberedUsername returns the username of a handle's digest; [identity.ErrNotFound] when unknown or expired.
func (s *Store) RememberedUsername(ctx context.Context, handle string, now time.Time) (string, error) {
	var name string
	err := s.read.QueryRowContext(ctx, rememberedUsernameSQL, handle, millis(now)).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", identity.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read remembered username: %w", err)
	}
	return name, nil
}

const forgetUsernameSQL = `
DELETE FROM remembered_username
WHERE  handle = $1`

// ForgetUsername removes a handle's digest. An unknown one is no error.
func (s *Store) ForgetUsername(ctx context.Context, handle string) error {
	if _, err := s.write.ExecContext(ctx, forgetUsernameSQL, handle); err != nil {
		return fmt.Errorf("forget username: %w", err)
	}
	return nil
}

const disableUserSQL = `
UPDATE user_account
SET    disabled = $2
WHERE  user_id = $1`

// DisableUser stops a user from signing in, and ends the user's sessions at their next page; or lets the user in again.
func (s *Store) DisableUser(ctx context.Context, id identity.UserID, disabled bool) error {
	return s.one(ctx, "disable user", disableUserSQL, id, flag(disabled))
}
