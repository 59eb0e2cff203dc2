package identity

import (
	"strings"
	"testing"
)

// cheap makes hashes that a test can afford.
var cheap = Cost{MemoryKiB: 64, Passes: 1, Threads: 1}

func TestVerifyPassword(t *testing.T) {
	hash := HashPassword("Åben-havtorn-27", cheap)
	tests := map[string]struct {
		password, hash string
		cost           Cost
		ok, rehash     bool
		broken         bool
	}{
		"the password":                          {password: "Åben-havtorn-27", hash: hash, cost: cheap, ok: true},
		"another password":                      {password: "Åben-havtorn-28", hash: hash, cost: cheap},
		"composed of a and ring on a keyboard":  {password: "A\u030aben-havtorn-27", hash: hash, cost: cheap, ok: true},
		"full-width letters are the same":       {password: "Åbｅn-havtorn-27", hash: hash, cost: cheap, ok: true},
		"a hash of another cost is made again":  {password: "Åben-havtorn-27", hash: hash, cost: Cost{MemoryKiB: 128, Passes: 1, Threads: 1}, ok: true, rehash: true},
		"not for somebody who does not know it": {password: "forkert", hash: hash, cost: Cost{MemoryKiB: 128, Passes: 1, Threads: 1}},
		"a hash that would take a terabyte":     {password: "x", hash: strings.Replace(hash, "m=64", "m=1073741824", 1), cost: cheap, broken: true},
		"a hash without passes":                 {password: "x", hash: strings.Replace(hash, "t=1", "t=0", 1), cost: cheap, broken: true},
		"another algorithm":                     {password: "x", hash: strings.Replace(hash, "argon2id", "argon2i", 1), cost: cheap, broken: true},
		"no hash at all":                        {password: "x", hash: "", cost: cheap, broken: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ok, rehash, err := VerifyPassword(tt.password, tt.hash, tt.cost)
			if ok != tt.ok || rehash != tt.rehash || (err != nil) != tt.broken {
				t.Errorf("VerifyPassword = %t, %t, %v, want %t, %t, error %t", ok, rehash, err, tt.ok, tt.rehash, tt.broken)
			}
		})
	}
}

func TestHashPasswordIsSalted(t *testing.T) {
	if a, b := HashPassword("Åben-havtorn-27", cheap), HashPassword("Åben-havtorn-27", cheap); a == b {
		t.Errorf("two hashes of one password are equal: %s", a)
	}
}
