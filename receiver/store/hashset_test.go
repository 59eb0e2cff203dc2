package store

import (
	"math/rand/v2"
	"testing"
)

func TestHashSetIsASet(t *testing.T) {
	const values = 64 // few, so that hashes collide, are removed and come back
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var h hashSet
		want := map[uint64]bool{}
		for step := range 2000 {
			v := r.Uint64N(values) << r.Uint64N(4) // equal low bits: long probes
			if r.IntN(2) == 0 {
				h.add(v)
				want[v] = true
			} else {
				h.remove(v)
				delete(want, v)
			}
			if step%100 != 0 {
				continue
			}
			for probe := range uint64(values * 8) {
				if h.has(probe) != want[probe] {
					t.Fatalf("seed %d, step %d: has(%d) = %t, want %t", seed, step, probe, h.has(probe), want[probe])
				}
			}
		}
	}
}

func TestHashSetNoticesRepeats(t *testing.T) {
	for name, tt := range map[string]struct {
		add  []uint64
		want bool
	}{
		"none":        {add: []uint64{1, 2, 3}},
		"one hash":    {add: []uint64{1, 2, 1}, want: true},
		"zero":        {add: []uint64{0, 1}},
		"zero twice":  {add: []uint64{0, 1, 0}, want: true},
		"after grown": {add: sequence(150)},
	} {
		t.Run(name, func(t *testing.T) {
			var h hashSet
			for _, v := range tt.add {
				h.add(v)
			}
			if h.repeated != tt.want {
				t.Errorf("repeated = %t, want %t", h.repeated, tt.want)
			}
		})
	}
}

func sequence(n uint64) (out []uint64) {
	for i := range n {
		out = append(out, i)
	}
	return out
}
