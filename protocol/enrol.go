package protocol

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// HeaderKey carries the base64url public key of an enrolment, which the receiver does not know yet.
// Its [KeyIDOf] must be the signature's keyid, so it is covered by the signature.
const HeaderKey = "PortalSync-Key"

const (
	enrolVerifierContext = "portalsync enrol verifier v1"
	enrolProofContext    = "portalsync enrol proof v1"
	fingerprintContext   = "portalsync fingerprint v1"
	fingerprintBytes     = 10
)

// EnrolVerifier returns what the receiver keeps of an invite's secret: enough to check a proof,
// not enough to rebuild the code.
func EnrolVerifier(secret [16]byte) []byte {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte(enrolVerifierContext))
	return mac.Sum(nil)
}

// EnrolProof returns the HMAC-SHA-256 over the request without its Proof, keyed by the secret's
// [EnrolVerifier]: the secret itself is never sent.
func EnrolProof(secret [16]byte, r EnrolRequest) []byte {
	return enrolProof(EnrolVerifier(secret), r)
}

// CheckEnrolProof reports whether r.Proof was made with the secret behind the verifier.
func CheckEnrolProof(verifier []byte, r EnrolRequest) bool {
	return hmac.Equal(enrolProof(verifier, r), r.Proof)
}

func enrolProof(verifier []byte, r EnrolRequest) []byte {
	mac := hmac.New(sha256.New, verifier)
	mac.Write(transcript(enrolProofContext,
		[]byte(r.Invite), r.SignKey, r.SealKey, []byte(r.InstallID), []byte(r.Hostname),
		[]byte(r.Agent), []byte(r.Platform), []byte(r.MainSystem)))
	return mac.Sum(nil)
}

// Fingerprint returns what a person compares on two screens before approving an agent:
// 80 bits over both public keys as four groups of four characters.
func Fingerprint(signKey, sealKey []byte) string {
	sum := sha256.Sum256(transcript(fingerprintContext, signKey, sealKey))
	return grouped(base32Text(sum[:fingerprintBytes]), 4)
}

// transcript joins fields so that no two lists of fields give the same bytes: the context, a zero
// byte, then each field after its length as four bytes, big-endian.
func transcript(context string, fields ...[]byte) []byte {
	b := append([]byte(context), 0)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}
