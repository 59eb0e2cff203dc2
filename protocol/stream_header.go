package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseStreamHeader reads the one legal spelling of the PortalSync-Stream header,
// as [StreamHeader.String] writes it.
func ParseStreamHeader(text string) (StreamHeader, error) {
	var h StreamHeader
	rest := text
	for i, field := range []struct {
		name string
		set  func(int64)
	}{
		{"tenant", func(n int64) { h.Tenant = TenantID(n) }},
		{"stream", func(n int64) { h.Stream = StreamID(n) }},
		{"gen", func(n int64) { h.Gen = Generation(n) }},
		{"seq", func(n int64) { h.Seq = Seq(n) }},
	} {
		prefix := field.name + "="
		if i > 0 {
			prefix = ", " + prefix
		}
		after, ok := strings.CutPrefix(rest, prefix)
		if !ok {
			return StreamHeader{}, fmt.Errorf("%s: %s is missing or out of order", HeaderStream, field.name)
		}
		digits, _, _ := strings.Cut(after, ",")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 {
			return StreamHeader{}, fmt.Errorf("%s: %s is not a number", HeaderStream, field.name)
		}
		field.set(n)
		rest = after[len(digits):]
	}
	if rest != "" || h.String() != text {
		return StreamHeader{}, fmt.Errorf("%s is not spelled as the profile does", HeaderStream)
	}
	return h, nil
}
