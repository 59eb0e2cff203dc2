package protocol

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestKeysetIsTheRootsOrNothing(t *testing.T) {
	root, stranger := NewSigningKey(), NewSigningKey()
	pinned := RootFingerprintOf(root.Public())
	good := keysetFor(NewSigningKey(), sealingKey(t), 3)
	sign := func(k *SigningKey) SignedKeyset {
		s, err := SignKeyset(k, good)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := map[string]struct {
		change func(*SignedKeyset)
		now    time.Time
		want   error
	}{
		"as signed":           {change: func(*SignedKeyset) {}, now: signedAt},
		"no trusted clock":    {change: func(*SignedKeyset) {}},
		"expired":             {change: func(*SignedKeyset) {}, now: signedAt.AddDate(1, 0, 0), want: ErrKeysetExpired},
		"another root":        {change: func(s *SignedKeyset) { *s = sign(stranger) }, now: signedAt, want: ErrRoot},
		"another root's name": {change: func(s *SignedKeyset) { o := sign(stranger); o.Root = s.Root; *s = o }, now: signedAt, want: ErrRoot},
		"a byte changed":      {change: func(s *SignedKeyset) { s.Keyset[20] ^= 1 }, now: signedAt, want: ErrRoot},
		"no signature":        {change: func(s *SignedKeyset) { s.Signature = nil }, now: signedAt, want: ErrRoot},
		"no root":             {change: func(s *SignedKeyset) { s.Root = nil }, now: signedAt, want: ErrRoot},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			signed := sign(root)
			text, err := json.Marshal(signed)
			if err != nil {
				t.Fatal(err)
			}
			var fetched SignedKeyset
			if err := json.Unmarshal(text, &fetched); err != nil {
				t.Fatal(err)
			}
			tt.change(&fetched)
			ks, err := fetched.Verify(pinned, tt.now)
			if !errors.Is(err, tt.want) {
				t.Fatalf("err = %v, want %v", err, tt.want)
			}
			if err == nil && ks.Version != 3 {
				t.Errorf("version = %d, want 3", ks.Version)
			}
		})
	}
}

func TestKeysetWithAWrongIDIsNotSigned(t *testing.T) {
	root := NewSigningKey()
	for name, change := range map[string]func(*Keyset){
		"response key": func(ks *Keyset) { ks.Response[0].ID = "AAAAAAAAAAAAAAAAAAAAAA" },
		"sealing key":  func(ks *Keyset) { ks.Sealing[0].ID = "AAAAAAAAAAAAAAAAAAAAAA" },
		"sealing size": func(ks *Keyset) { ks.Sealing[0].Public = ks.Sealing[0].Public[1:] },
		"no version":   func(ks *Keyset) { ks.Version = 0 },
	} {
		ks := keysetFor(NewSigningKey(), sealingKey(t), 1)
		change(&ks)
		if _, err := SignKeyset(root, ks); !errors.Is(err, ErrKeyset) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrKeyset)
		}
	}
}

func TestSealToTakesTheNewestValidKey(t *testing.T) {
	root, old, current, next := NewSigningKey(), sealingKey(t), sealingKey(t), sealingKey(t)
	week := 7 * 24 * time.Hour
	key := func(k *SealingKey, from time.Time) PublicKey {
		return PublicKey{ID: k.ID(), Public: k.Public().Bytes(), From: from.UnixMilli(), Until: from.Add(3 * week).UnixMilli()}
	}
	signed, err := SignKeyset(root, Keyset{Version: 1, Expires: signedAt.Add(9 * week).UnixMilli(), Sealing: []PublicKey{
		key(next, signedAt.Add(week)), key(old, signedAt.Add(-week)), key(current, signedAt),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ks, err := signed.Verify(RootFingerprintOf(root.Public()), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		now  time.Time
		want KeyID
		err  error
	}{
		"before all":         {now: signedAt.Add(-2 * week), err: ErrNoSealingKey},
		"only the old":       {now: signedAt.Add(-1), want: old.ID()},
		"from its beginning": {now: signedAt, want: current.ID()},
		"the next":           {now: signedAt.Add(week), want: next.ID()},
		"after all":          {now: signedAt.Add(4 * week), err: ErrNoSealingKey},
	} {
		got, err := ks.SealTo(tt.now)
		if !errors.Is(err, tt.err) || got.ID() != tt.want {
			t.Errorf("%s: SealTo = %q, %v; want %q, %v", name, got.ID(), err, tt.want, tt.err)
		}
	}
}

func TestKeysetVersionsOnlyGoUp(t *testing.T) {
	for _, tt := range []struct {
		have, held int
		want       bool
	}{{1, 0, true}, {2, 1, true}, {1, 1, false}, {1, 2, false}} {
		var held *Keyset
		if tt.held > 0 {
			held = &Keyset{Version: tt.held}
		}
		if got := (&Keyset{Version: tt.have}).NewerThan(held); got != tt.want {
			t.Errorf("version %d newer than %d = %t, want %t", tt.have, tt.held, got, tt.want)
		}
	}
}
