package protocol

import (
	"fmt"
	"strings"
	"unicode"
)

// base32Alphabet is Crockford's: no I, L, O, U, so that a code can be read aloud.
const base32Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// base32Symbols packs a version of four bits and raw into five-bit symbols, zero-padded.
func base32Symbols(raw []byte, version byte) []byte {
	acc, bits := uint32(version), 4
	symbols := make([]byte, 0, (4+8*len(raw)+4)/5)
	for _, b := range raw {
		acc, bits = acc<<8|uint32(b), bits+8
		for bits >= 5 {
			bits -= 5
			symbols = append(symbols, byte(acc>>bits)&31)
		}
	}
	if bits > 0 {
		symbols = append(symbols, byte(acc<<(5-bits))&31)
	}
	return symbols
}

// base32Unpack undoes base32Symbols.
func base32Unpack(symbols []byte) (raw []byte, version byte) {
	acc, bits, first := uint32(0), 0, true
	for _, s := range symbols {
		acc, bits = acc<<5|uint32(s), bits+5
		if first && bits >= 4 {
			bits -= 4
			version, first = byte(acc>>bits)&15, false
		}
		if bits >= 8 {
			bits -= 8
			raw = append(raw, byte(acc>>bits))
		}
	}
	return raw, version
}

// base32Text writes bytes; bits past the last five are left out.
func base32Text(raw []byte) string {
	acc, bits := uint32(0), 0
	var b strings.Builder
	for _, c := range raw {
		acc, bits = acc<<8|uint32(c), bits+8
		for bits >= 5 {
			bits -= 5
			b.WriteByte(base32Alphabet[acc>>bits&31])
		}
	}
	return b.String()
}

// base32Bytes undoes base32Text for whole bytes.
func base32Bytes(text string) ([]byte, error) {
	symbols, err := base32Parse(text)
	if err != nil {
		return nil, err
	}
	acc, bits := uint32(0), 0
	raw := make([]byte, 0, len(symbols)*5/8)
	for _, s := range symbols {
		acc, bits = acc<<5|uint32(s), bits+5
		if bits >= 8 {
			bits -= 8
			raw = append(raw, byte(acc>>bits))
		}
	}
	return raw, nil
}

func base32String(symbols []byte) string {
	b := make([]byte, len(symbols))
	for i, s := range symbols {
		b[i] = base32Alphabet[s]
	}
	return string(b)
}

// base32Parse reads symbols as people type them.
func base32Parse(text string) ([]byte, error) {
	symbols := make([]byte, 0, len(text))
	for _, r := range text {
		switch r = unicode.ToUpper(r); r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		i := strings.IndexRune(base32Alphabet, r)
		if i < 0 {
			return nil, fmt.Errorf("%q is not a character of the code", r)
		}
		symbols = append(symbols, byte(i))
	}
	return symbols, nil
}

// grouped parts text into groups of n characters with hyphens.
func grouped(text string, n int) string { return strings.Join(chunked(text, n), "-") }

func chunked(text string, n int) []string {
	var groups []string
	runes := []rune(text)
	for len(runes) > n {
		groups, runes = append(groups, string(runes[:n])), runes[n:]
	}
	return append(groups, string(runes))
}
