package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrFenced reports a holder whose lease of a shard went to somebody else.
var ErrFenced = errors.New("the shard's lease has gone to another writer")

// Fence is a shard's lease as its holder knows it. A transaction under it is refused once the lease has a newer
// number. The zero Fence is nobody's and refuses nothing.
type Fence struct {
	Shard  int
	Number int64
}

// fencedSQL ends a SELECT of a stream: there is none for a holder that lost its lease. It costs no round trip.
const fencedSQL = " AND EXISTS (SELECT 1 FROM lease l WHERE l.shard = $3 AND l.fence = $4)"

// leaseSQL takes a lease that is free, over or the holder's own. The database's clock decides: the clocks of
// several receivers differ.
func (s *Store) leaseSQL() string {
	now := s.dialect.clock()
	return `
INSERT INTO lease (shard, holder, fence, expires_at)
VALUES ($1, $2, 1, ` + now + ` + $3)
ON CONFLICT (shard) DO UPDATE
SET holder = excluded.holder, fence = lease.fence + 1, expires_at = excluded.expires_at
WHERE lease.expires_at <= ` + now + ` OR lease.holder = excluded.holder
RETURNING fence`
}

// Lease takes the lease of a shard for ttl. It returns a fencing number above every earlier one, or ok = false
// while another holder has it. A holder that asks again gets a new number.
func (s *Store) Lease(ctx context.Context, shard int, holder string, ttl time.Duration) (fence int64, ok bool, err error) {
	err = found(s.write.QueryRowContext(ctx, s.leaseSQL(), shard, holder, ttl.Milliseconds()).Scan(&fence))
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("lease shard %d: %w", shard, err)
	}
	return fence, true, nil
}

// RenewLease extends a lease by ttl from now. ok is false when it is over or somebody took it since: stop at once.
func (s *Store) RenewLease(ctx context.Context, shard int, holder string, fence int64, ttl time.Duration) (ok bool, err error) {
	now := s.dialect.clock()
	n, err := affected(s.write.ExecContext(ctx, `
UPDATE lease
SET    expires_at = `+now+` + $4
WHERE  shard = $1 AND holder = $2 AND fence = $3 AND expires_at > `+now, shard, holder, fence, ttl.Milliseconds()))
	if err != nil {
		return false, fmt.Errorf("renew lease of shard %d: %w", shard, err)
	}
	return n == 1, nil
}

const releaseLeaseSQL = `
UPDATE lease
SET    expires_at = 0
WHERE  shard = $1 AND holder = $2 AND fence = $3`

// ReleaseLease gives a lease back. One that is somebody else's by now is left alone.
func (s *Store) ReleaseLease(ctx context.Context, shard int, holder string, fence int64) error {
	if _, err := s.write.ExecContext(ctx, releaseLeaseSQL, shard, holder, fence); err != nil {
		return fmt.Errorf("release lease of shard %d: %w", shard, err)
	}
	return nil
}
