package protocol

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// ErrInviteCode reports an enrolment code that cannot be the one that was issued.
var ErrInviteCode = errors.New("the enrolment code is mistyped")

const (
	inviteVersion  = 1
	inviteIDBytes  = 5
	inviteIDLength = 8  // characters
	inviteGroups   = 12 // of groupData characters and one check character
	groupData      = 5
	groupLength    = groupData + 1
)

// InviteCode is what the customer's administrator hands to the installer: which receiver to
// trust, which invite it is, and the secret that proves it. It is shown once. It prints as
// "[redacted]"; only Text gives it away.
type InviteCode struct {
	Root   RootFingerprint
	Invite string // public id of the invite: 8 base32 characters
	Secret [16]byte
}

// NewInviteCode makes an invite id and a secret from the system's random source.
func NewInviteCode(root RootFingerprint) InviteCode {
	var id [inviteIDBytes]byte
	rand.Read(id[:])
	c := InviteCode{Root: root, Invite: base32Text(id[:])}
	rand.Read(c.Secret[:])
	return c
}

// Text returns the code for people: 12 groups of five base32 characters and a check character.
// The check finds every single wrong character, every swap of neighbours in a group and every
// two groups in the wrong order. It panics when Invite is not an id made by [NewInviteCode].
func (c InviteCode) Text() string {
	id, err := base32Bytes(c.Invite)
	if err != nil || len(c.Invite) != inviteIDLength {
		panic("protocol: invite id of another form") //nolint:forbidigo // as documented: only a caller's mistake gets here
	}
	raw := make([]byte, 0, len(c.Root)+inviteIDBytes+len(c.Secret))
	raw = append(raw, c.Root[:]...)
	raw = append(raw, id...)
	raw = append(raw, c.Secret[:]...)

	symbols := base32Symbols(raw, inviteVersion)
	groups := make([]string, 0, inviteGroups)
	for i := range inviteGroups {
		g := symbols[i*groupData : (i+1)*groupData]
		groups = append(groups, base32String(append(g[:groupData:groupData], groupCheck(i, g))))
	}
	return strings.Join(groups, "-")
}

// ParseInviteCode reads what [InviteCode.Text] wrote. Case does not matter, O reads as 0, I and L
// as 1, groups may be parted by blanks, hyphens or nothing. The error names the wrong group.
func ParseInviteCode(text string) (InviteCode, error) {
	groups := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n-–—_.", r) })
	if len(groups) == 1 {
		groups = chunked(groups[0], groupLength)
	}
	symbols := make([]byte, 0, inviteGroups*groupData)
	for i, g := range groups {
		if i == inviteGroups {
			return InviteCode{}, fmt.Errorf("%w: it has more than %d groups", ErrInviteCode, inviteGroups)
		}
		s, err := parseGroup(i, g)
		if err != nil {
			return InviteCode{}, err
		}
		symbols = append(symbols, s...)
	}
	if len(groups) < inviteGroups {
		return InviteCode{}, fmt.Errorf("%w: it has %d groups of %d; copy all of it", ErrInviteCode, len(groups), inviteGroups)
	}
	raw, version := base32Unpack(symbols)
	if version != inviteVersion {
		return InviteCode{}, fmt.Errorf("the enrolment code is of version %d and this program reads version %d: update it", version, inviteVersion)
	}
	var c InviteCode
	n := copy(c.Root[:], raw)
	c.Invite = base32Text(raw[n : n+inviteIDBytes])
	copy(c.Secret[:], raw[n+inviteIDBytes:])
	return c, nil
}

func parseGroup(i int, g string) ([]byte, error) {
	if n := len([]rune(g)); n != groupLength {
		return nil, fmt.Errorf("%w: group %d has %d characters, not %d", ErrInviteCode, i+1, n, groupLength)
	}
	s, err := base32Parse(g)
	if err != nil {
		return nil, fmt.Errorf("%w: group %d: %w", ErrInviteCode, i+1, err)
	}
	if groupCheck(i, s[:groupData]) != s[groupData] {
		return nil, fmt.Errorf("%w in group %d", ErrInviteCode, i+1)
	}
	return s[:groupData], nil
}

// groupCheck is a sum over GF(32) with a different power of the generator per place, plus the
// group's number: a wrong symbol, two swapped symbols or two swapped groups change it.
func groupCheck(group int, symbols []byte) byte {
	sum := byte(group + 1)
	for i, s := range symbols {
		for range i + 1 {
			s = gf32Double(s)
		}
		sum ^= s
	}
	return sum
}

// gf32Double multiplies by the generator of GF(32) modulo x^5 + x^2 + 1.
func gf32Double(s byte) byte {
	s <<= 1
	if s&32 != 0 {
		s ^= 32 | 4 | 1
	}
	return s
}

// String hides the code.
func (c InviteCode) String() string { return redacted }

// Format hides the code from every verb.
func (c InviteCode) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs the invite's public id alone.
func (c InviteCode) LogValue() slog.Value { return slog.StringValue(c.Invite) }

// MarshalJSON refuses with [ErrSecret].
func (c InviteCode) MarshalJSON() ([]byte, error) { return nil, ErrSecret }
