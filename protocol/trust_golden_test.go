package protocol_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// trustVectors holds one of everything that the trust half of the specification defines, so that
// another implementation can be held against it. Byte strings are base64.
type trustVectors struct {
	SignSeed    []byte                `json:"sign_seed"` // 32 times 1; the agent's
	RootSeed    []byte                `json:"root_seed"` // 32 times 2
	AnswerSeed  []byte                `json:"answer_seed"`
	SealSeed    []byte                `json:"seal_seed"`
	KeyID       protocol.KeyID        `json:"key_id"`
	SealID      protocol.KeyID        `json:"seal_key_id"`
	Fingerprint string                `json:"fingerprint"`
	Root        string                `json:"root_fingerprint"`
	Invite      string                `json:"invite_code"`
	Secret      []byte                `json:"invite_secret"`
	Verifier    []byte                `json:"enrol_verifier"`
	Proof       []byte                `json:"enrol_proof"`
	BlobName    string                `json:"blob_name"`
	Keyset      protocol.SignedKeyset `json:"keyset"`
	Request     string                `json:"request"` // the head; the body is Sealed
	Answer      string                `json:"answer"`
	Sealed      []byte                `json:"sealed"` // the request's batch
	Plain       string                `json:"plain"`
}

var (
	vectorAt     = time.Date(2026, 11, 20, 6, 12, 0, 0, time.UTC)
	vectorStream = protocol.StreamHeader{Tenant: 7, Stream: 9, Gen: 1794000000000, Seq: 3}
	vectorEnrol  = protocol.EnrolRequest{Invite: "0123WXYZ", SignKey: []byte("sign"), SealKey: []byte("seal"),
		InstallID: "install", Hostname: "pc7", Agent: "1.0.0", Platform: "linux/amd64", MainSystem: "pay"}
)

const vectorPlain = "an encoded batch"

func seed(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

type vectorKeys struct {
	agent, root, answer *protocol.SigningKey
	seal                *protocol.SealingKey
}

func keysOf(t *testing.T, v trustVectors) vectorKeys {
	t.Helper()
	var k vectorKeys
	var err error
	for key, seed := range map[**protocol.SigningKey][]byte{&k.agent: v.SignSeed, &k.root: v.RootSeed, &k.answer: v.AnswerSeed} {
		if *key, err = protocol.ParseSigningKey(seed); err != nil {
			t.Fatal(err)
		}
	}
	if k.seal, err = protocol.ParseSealingKey(v.SealSeed); err != nil {
		t.Fatal(err)
	}
	return k
}

// derived fills in what follows from the seeds without chance.
func (v *trustVectors) derived(t *testing.T) {
	k := keysOf(t, *v)
	secret := [16]byte(bytes.Repeat([]byte{5}, 16))
	root := protocol.RootFingerprintOf(k.root.Public())
	v.KeyID, v.SealID = k.agent.ID(), k.seal.ID()
	v.Fingerprint = protocol.Fingerprint(k.agent.Public(), k.seal.Public().Bytes())
	v.Root = root.String()
	v.Invite = protocol.InviteCode{Root: root, Invite: vectorEnrol.Invite, Secret: secret}.Text()
	v.Secret, v.Verifier, v.Proof = secret[:], protocol.EnrolVerifier(secret), protocol.EnrolProof(secret, vectorEnrol)
	v.BlobName = protocol.BlobName([]byte("key"), []byte("content"))
	v.Plain = vectorPlain
	from, until := vectorAt.Add(-time.Hour).UnixMilli(), vectorAt.AddDate(0, 0, 21).UnixMilli()
	var err error
	v.Keyset, err = protocol.SignKeyset(k.root, protocol.Keyset{
		Version: 4, Issued: from, Expires: until,
		Response: []protocol.PublicKey{{ID: k.answer.ID(), Public: k.answer.Public(), From: from, Until: until}},
		Sealing:  []protocol.PublicKey{{ID: k.seal.ID(), Public: k.seal.Public().Bytes(), From: from, Until: until}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTrustVectors(t *testing.T) {
	path := filepath.Join("testdata", "trust.json")
	if *update {
		writeTrustVectors(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v trustVectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	again := v
	again.derived(t)
	got, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("derived values differ:\n%s\n%s", got, want)
	}
	k := keysOf(t, v)
	ks, err := v.Keyset.Verify(protocol.RootFingerprintOf(k.root.Public()), vectorAt)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := protocol.NewOpener(func(id protocol.KeyID) (*protocol.SealingKey, bool) { return k.seal, id == k.seal.ID() })
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := opener.OpenBatch(vectorStream, v.Sealed); err != nil || string(plain) != v.Plain {
		t.Errorf("sealed opens to %q, %v", plain, err)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(v.Request + string(v.Sealed))))
	if err != nil {
		t.Fatal(err)
	}
	verifier := &protocol.Verifier{Authority: []string{"portal.example"}, Keys: func(context.Context, protocol.KeyID) (ed25519.PublicKey, error) {
		return k.agent.Public(), nil
	}}
	head, err := verifier.Head(r, vectorAt)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(head.Body(r.Body)); err != nil || !bytes.Equal(body, v.Sealed) {
		t.Errorf("body of %d bytes, %v", len(body), err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(v.Answer)), r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := ks.VerifyResponse(answer, body, head.Signature, vectorAt); err != nil {
		t.Error(err)
	}
}

func writeTrustVectors(t *testing.T, path string) {
	v := trustVectors{SignSeed: seed(1), RootSeed: seed(2), AnswerSeed: seed(3), SealSeed: seed(4)}
	v.derived(t)
	k := keysOf(t, v)
	ks, err := v.Keyset.Verify(protocol.RootFingerprintOf(k.root.Public()), vectorAt)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := protocol.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	if v.Sealed, err = sealer.SealBatch(ks, vectorAt, vectorStream, []byte(vectorPlain)); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, "https://portal.example"+protocol.PathBatch, bytes.NewReader(v.Sealed))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", protocol.MediaBatch)
	r.Header.Set(protocol.HeaderStream, vectorStream.String())
	signature, err := k.agent.SignRequest(r, v.Sealed, vectorAt)
	if err != nil {
		t.Fatal(err)
	}
	var request, answer bytes.Buffer
	if err := r.Write(&request); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	if err := k.answer.SignResponse(rec.Header(), 202, []byte(`{"applied_seq":2}`), signature, vectorAt); err != nil {
		t.Fatal(err)
	}
	rec.WriteHeader(http.StatusAccepted)
	rec.WriteString(`{"applied_seq":2}`)
	if err := rec.Result().Write(&answer); err != nil {
		t.Fatal(err)
	}
	v.Request, v.Answer = strings.TrimSuffix(request.String(), string(v.Sealed)), answer.String()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
