package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Sessions keeps the portal's sessions, so that a restart of the receiver signs nobody out. It
// implements scs.CtxStore. The manager gives it digests of the tokens, never the tokens.
type Sessions struct {
	store *Store
}

// Sessions returns the portal's sessions.
func (s *Store) Sessions() *Sessions { return &Sessions{store: s} }

const findSessionSQL = `
SELECT data
FROM   session
WHERE  token = $1 AND expires_at > $2`

// FindCtx returns the data of a session that has not expired.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, ok bool, err error) {
	err = s.store.read.QueryRowContext(ctx, findSessionSQL, token, millis(time.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read session: %w", err)
	}
	return data, true, nil
}

const commitSessionSQL = `
INSERT INTO session (token, data, expires_at)
VALUES ($1, $2, $3)
ON CONFLICT (token) DO UPDATE
SET data = excluded.data, expires_at = excluded.expires_at`

const sessionStandsSQL = `
SELECT data, expires_at
FROM   session
WHERE  token = $1`

// sessionGrain is by how much a session may expire early: a page that only prolongs its session by less is not
// worth a write, which would wait behind the records of a pay run on SQLite.
const sessionGrain = time.Minute

// CommitCtx adds or replaces a session. One whose data stands and whose expiry moves by less than a minute is left.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	var stands []byte
	var expires int64
	err := s.store.read.QueryRowContext(ctx, sessionStandsSQL, token).Scan(&stands, &expires)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read session: %w", err)
	}
	if err == nil && bytes.Equal(stands, data) && expiry.Sub(instant(expires)).Abs() < sessionGrain {
		return nil
	}
	if _, err := s.store.write.ExecContext(ctx, commitSessionSQL, token, data, millis(expiry)); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

const deleteSessionSQL = `
DELETE FROM session
WHERE  token = $1`

// DeleteCtx removes a session. An unknown one is no error.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	if _, err := s.store.write.ExecContext(ctx, deleteSessionSQL, token); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// Find is FindCtx without a deadline: scs asks for it and uses FindCtx.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a deadline.
func (s *Sessions) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a deadline.
func (s *Sessions) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}

const purgeSessionsSQL = `
DELETE FROM session
WHERE  expires_at <= $1`

// PurgeSessions removes what expired. The web calls it now and then.
func (s *Store) PurgeSessions(ctx context.Context, now time.Time) error {
	if _, err := s.write.ExecContext(ctx, purgeSessionsSQL, millis(now)); err != nil {
		return fmt.Errorf("purge sessions: %w", err)
	}
	return nil
}
