package protocol

import "crypto/sha256"

// IsBlobName reports whether a text has the form that [BlobName] gives: 64 lower-case hexadecimal digits.
func IsBlobName(name string) bool {
	for _, digit := range []byte(name) {
		if (digit < '0' || digit > '9') && (digit < 'a' || digit > 'f') {
			return false
		}
	}
	return len(name) == 2*sha256.Size
}
