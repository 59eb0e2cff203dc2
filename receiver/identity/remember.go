package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// RememberFor is how long a browser keeps the username when its owner asked for it (L21).
const RememberFor = 30 * 24 * time.Hour

// Remember returns an opaque handle for the username cookie of L21. It opens nothing: it only fills
// in the username on the sign-in page. The store keeps a digest, so that a stolen database yields no cookie.
func (i *Identity) Remember(ctx context.Context, u User) (handle string, err error) {
	handle = rand.Text()
	if err := i.users.RememberUsername(ctx, digest(handle), u.ID, i.now().Add(RememberFor)); err != nil {
		return "", fmt.Errorf("remember username: %w", err)
	}
	return handle, nil
}

// Remembered returns the username of a handle, or an empty one when it is unknown or expired.
func (i *Identity) Remembered(ctx context.Context, handle string) (string, error) {
	name, err := i.users.RememberedUsername(ctx, digest(handle), i.now())
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up remembered username: %w", err)
	}
	return name, nil
}

// Forget removes a handle.
func (i *Identity) Forget(ctx context.Context, handle string) error {
	if err := i.users.ForgetUsername(ctx, digest(handle)); err != nil {
		return fmt.Errorf("forget username: %w", err)
	}
	return nil
}

func digest(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
