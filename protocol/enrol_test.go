package protocol

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestInviteCodeReadsBackAsPeopleTypeIt(t *testing.T) {
	for range 200 {
		code := NewInviteCode(RootFingerprint(NewSigningKey().Public()[:16]))
		text := code.Text()
		for name, typed := range map[string]string{
			"as shown":         text,
			"in lower case":    strings.ToLower(text),
			"with blanks":      strings.ReplaceAll(text, "-", "  "),
			"over two lines":   text[:41] + "\r\n" + text[41:],
			"without hyphens":  strings.ReplaceAll(text, "-", ""),
			"O for 0, l for 1": strings.NewReplacer("0", "o", "1", "l").Replace(text),
		} {
			got, err := ParseInviteCode(typed)
			if err != nil || got != code {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestInviteCodeNamesTheWrongGroup(t *testing.T) {
	code := InviteCode{Root: RootFingerprint{0: 0xA5, 15: 0x5A}, Invite: "0123WXYZ", Secret: [16]byte{7: 9}}
	groups := strings.Split(code.Text(), "-")
	if len(groups) != 12 {
		t.Fatalf("%d groups, want 12", len(groups))
	}
	edit := func(i int, f func(string) string) string {
		g := append([]string(nil), groups...)
		g[i] = f(g[i])
		return strings.Join(g, "-")
	}
	for name, tt := range map[string]struct{ typed, want string }{
		"a letter too few":    {edit(4, func(s string) string { return s[1:] }), "group 5 has 5 characters"},
		"a letter too many":   {edit(4, func(s string) string { return s + "A" }), "group 5 has 7 characters"},
		"a strange letter":    {edit(11, func(s string) string { return "U" + s[1:] }), "group 12: 'U' is not a character"},
		"a group too few":     {strings.Join(groups[:11], "-"), "it has 11 groups of 12"},
		"a group too many":    {strings.Join(append(groups, groups[0]), "-"), "more than 12 groups"},
		"nothing":             {"", "it has 0 groups of 12"},
		"two groups swapped":  {strings.Join(append([]string{groups[1], groups[0]}, groups[2:]...), "-"), "in group 1"},
		"no hyphens, cut off": {strings.Join(groups, "")[:70], "group 12 has 4 characters"},
	} {
		_, err := ParseInviteCode(tt.typed)
		if !errors.Is(err, ErrInviteCode) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v, want one with %q", name, err, tt.want)
		}
	}
}

// Every single wrong character and every swap of neighbours in a group is found, in its group.
func TestInviteCodeFindsEverySlip(t *testing.T) {
	code := NewInviteCode(RootFingerprint{1, 2, 3})
	text := code.Text()
	slips := 0
	for i := range text {
		if text[i] == '-' {
			continue
		}
		var typed []string
		for _, c := range base32Alphabet {
			if byte(c) != text[i] {
				typed = append(typed, text[:i]+string(c)+text[i+1:])
			}
		}
		if i+1 < len(text) && text[i+1] != '-' && text[i+1] != text[i] {
			typed = append(typed, text[:i]+string(text[i+1])+string(text[i])+text[i+2:])
		}
		group := "in group " + []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}[i/7]
		for _, slip := range typed {
			if _, err := ParseInviteCode(slip); err == nil || !strings.HasSuffix(err.Error(), group) {
				t.Fatalf("character %d changed: err = %v, want %q", i, err, group)
			}
			slips++
		}
	}
	t.Logf("%d slips found", slips)
}

func FuzzInviteCode(f *testing.F) {
	f.Add(NewInviteCode(RootFingerprint{}).Text())
	f.Fuzz(func(t *testing.T, typed string) {
		if code, err := ParseInviteCode(typed); err == nil {
			if again, err := ParseInviteCode(code.Text()); err != nil || again != code {
				t.Errorf("%q reads as another code when written again", typed)
			}
		}
	})
}

func TestEnrolProofCoversTheWholeRequest(t *testing.T) {
	secret := [16]byte{1, 2, 3}
	good := EnrolRequest{
		Invite: "0123WXYZ", SignKey: bytes.Repeat([]byte{1}, 32), SealKey: bytes.Repeat([]byte{2}, 1216),
		InstallID: "install", Hostname: "pc7", Agent: "1.0", Platform: "linux/amd64", MainSystem: "pay sqlite",
	}
	good.Proof = EnrolProof(secret, good)
	verifier := EnrolVerifier(secret)
	if !CheckEnrolProof(verifier, good) {
		t.Fatal("a good proof is refused")
	}
	if bytes.Contains(verifier, secret[:3]) {
		t.Error("the verifier shows the secret")
	}
	for name, change := range map[string]func(*EnrolRequest){
		"invite":      func(r *EnrolRequest) { r.Invite = "0123WXYA" },
		"sign key":    func(r *EnrolRequest) { r.SignKey = bytes.Repeat([]byte{3}, 32) },
		"seal key":    func(r *EnrolRequest) { r.SealKey = nil },
		"install id":  func(r *EnrolRequest) { r.InstallID = "" },
		"hostname":    func(r *EnrolRequest) { r.Hostname = "pc8" },
		"agent":       func(r *EnrolRequest) { r.Agent = "1.1" },
		"platform":    func(r *EnrolRequest) { r.Platform = "" },
		"main system": func(r *EnrolRequest) { r.MainSystem = "" },
		"moved":       func(r *EnrolRequest) { r.InstallID, r.Hostname = "installp", "c7" },
		"no proof":    func(r *EnrolRequest) { r.Proof = nil },
		"cut proof":   func(r *EnrolRequest) { r.Proof = r.Proof[:31] },
	} {
		r := good
		if change(&r); CheckEnrolProof(verifier, r) {
			t.Errorf("%s changed and the proof still holds", name)
		}
	}
	if CheckEnrolProof(EnrolVerifier([16]byte{9}), good) {
		t.Error("the proof holds for another secret")
	}
}

func TestTranscriptsOfDifferentFieldsDiffer(t *testing.T) {
	one := transcript("c", []byte("a"), []byte("b"))
	for name, other := range map[string][]byte{
		"one field of both": transcript("c", []byte("a\x00\x00\x00\x00b")),
		"moved":             transcript("c", []byte("ab"), nil),
		"another context":   transcript("d", []byte("a"), []byte("b")),
	} {
		if bytes.Equal(one, other) {
			t.Errorf("%s: the transcripts are equal", name)
		}
	}
}

func TestFingerprintComparesBothKeys(t *testing.T) {
	got := Fingerprint([]byte("sign"), []byte("seal"))
	if len(got) != 19 || strings.Count(got, "-") != 3 {
		t.Errorf("fingerprint = %q, want four groups of four", got)
	}
	for _, other := range []string{Fingerprint([]byte("sign"), []byte("sea1")), Fingerprint([]byte("sig"), []byte("nseal"))} {
		if other == got {
			t.Error("two pairs of keys share a fingerprint")
		}
	}
}
