package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// However a private key is printed, logged or encoded, alone or inside something, its bytes stay inside.
func TestPrivateKeysNeverShowThemselves(t *testing.T) {
	sign, seal := NewSigningKey(), sealingKey(t)
	code := NewInviteCode(RootFingerprint{1, 2, 3})
	sealed, err := seal.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Sign   *SigningKey
		Seal   *SealingKey
		Code   InviteCode
		inside struct {
			sign SigningKey
			seal SealingKey
		}
	}
	h := holder{Sign: sign, Seal: seal, Code: code}
	h.inside.sign, h.inside.seal = *sign, *seal
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("keys", "sign", sign, "seal", *seal, "code", code, "all", fmt.Sprintf("%+v", h))
	slog.New(slog.NewTextHandler(&log, nil)).Info("keys", "sign", *sign, "seal", seal, "code", &code)
	shown := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{sign, *sign, seal, *seal, code, &code, h, &h, []any{sign, seal, code}} {
			shown += fmt.Sprintf(verb+"\n", v)
		}
	}
	for name, secret := range map[string][]byte{"signing key": sign.Bytes(), "sealing key": sealed, "invite secret": code.Secret[:]} {
		for form, text := range map[string]string{
			"hex":     hex.EncodeToString(secret),
			"base64":  base64.RawStdEncoding.EncodeToString(secret)[:20],
			"raw":     string(secret),
			"decimal": strings.Trim(fmt.Sprint(secret[:6]), "[]"),
			"go":      strings.Trim(fmt.Sprintf("%#v", secret[:6]), "[]byte{}"),
		} {
			if strings.Contains(shown, text) {
				t.Errorf("%s shows itself in %s", name, form)
			}
		}
	}
	for name, v := range map[string]any{"signing": sign, "sealing": seal, "code": code, "holder": h, "signing value": *sign} {
		if text, err := json.Marshal(v); !errors.Is(err, ErrSecret) {
			t.Errorf("%s as JSON = %s, %v; want %v", name, text, err, ErrSecret)
		}
	}
}

func TestKeysReadBack(t *testing.T) {
	sign, seal := NewSigningKey(), sealingKey(t)
	sign2, err := ParseSigningKey(sign.Bytes())
	if err != nil || sign2.ID() != sign.ID() || !sign2.Public().Equal(sign.Public()) {
		t.Errorf("signing key read back: %v", err)
	}
	b, err := seal.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	seal2, err := ParseSealingKey(b)
	if err != nil || seal2.ID() != seal.ID() {
		t.Errorf("sealing key read back: %v", err)
	}
	if n := len(seal.Public().Bytes()); n != SealingPublicBytes {
		t.Errorf("public sealing key has %d bytes, want %d", n, SealingPublicBytes)
	}
	for name, parse := range map[string]func([]byte) error{
		"signing": func(b []byte) error { _, err := ParseSigningKey(b); return err },
		"sealing": func(b []byte) error { _, err := ParseSealingKey(b); return err },
		"public":  func(b []byte) error { _, err := ParseSealingPublic(b); return err },
	} {
		for _, n := range []int{0, 31, 33, 64} {
			if parse(make([]byte, n)) == nil {
				t.Errorf("%s key of %d bytes is accepted", name, n)
			}
		}
	}
	if id := KeyIDOf(sign.Public()); len(id) != 22 || id != sign.ID() {
		t.Errorf("id = %q", id)
	}
}
