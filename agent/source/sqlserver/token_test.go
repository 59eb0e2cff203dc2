package sqlserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"unicode/utf16"
)

// TestTheTokenReachesTheLogin: MS-TDS 2.2.6.4, the token stands in the login's FEDAUTH option in UTF-16.
func TestTheTokenReachesTheLogin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	login := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(login)
			return
		}
		defer c.Close()
		_ = packet(c)
		// PRELOGIN: version at 16, encryption at 22 (not supported), FEDAUTHREQUIRED at 23.
		answer := []byte{0, 0, 16, 0, 6, 1, 0, 22, 0, 1, 6, 0, 23, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2, 1}
		_, _ = c.Write(append([]byte{4, 1, 0, byte(8 + len(answer)), 0, 0, 1, 0}, answer...))
		login <- packet(c)
	}()
	s, err := Open("sqlserver://"+l.Addr().String()+"?database=loen&encrypt=disable", parsed(t, fakePlan), Config{
		Token: func(context.Context) (string, error) { return "token-of-entra", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = s.read.PingContext(t.Context()) // the other end hangs up after the login
	var want []byte
	for _, u := range utf16.Encode([]rune("token-of-entra")) {
		want = binary.LittleEndian.AppendUint16(want, u)
	}
	if got := <-login; !bytes.Contains(got, want) {
		t.Errorf("the login of %d bytes does not hold the token", len(got))
	}
}

// packet reads one packet of the protocol.
func packet(c net.Conn) []byte {
	head := make([]byte, 8)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil
	}
	body := make([]byte, int(binary.BigEndian.Uint16(head[2:]))-len(head))
	if _, err := io.ReadFull(c, body); err != nil {
		return nil
	}
	return body
}
