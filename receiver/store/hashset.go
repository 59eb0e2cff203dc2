package store

// hashSet is a set of 64-bit hashes. It exists because a batch adds thousands of hashes to one on the hot path:
// open addressing without deletion costs a fifth of a map.
type hashSet struct {
	slots    []uint64 // 0 is free
	n        int
	zero     bool // whether the set holds 0
	repeated bool // whether a hash was added twice
}

const minHashSlots = 1 << 6

func (h *hashSet) add(v uint64) {
	if v == 0 {
		h.repeated = h.repeated || h.zero
		h.zero = true
		return
	}
	if 2*h.n >= len(h.slots) {
		h.grow()
	}
	if h.put(v) {
		h.n++
	} else {
		h.repeated = true
	}
}

func (h *hashSet) has(v uint64) bool {
	if v == 0 || h.n == 0 {
		return v == 0 && h.zero
	}
	i := h.slot(v)
	return h.slots[i] == v
}

func (h *hashSet) put(v uint64) bool {
	i := h.slot(v)
	if h.slots[i] == v {
		return false
	}
	h.slots[i] = v
	return true
}

// slot returns where v is or belongs.
func (h *hashSet) slot(v uint64) int {
	mask := len(h.slots) - 1
	i := int(v) & mask
	for h.slots[i] != 0 && h.slots[i] != v {
		i = (i + 1) & mask
	}
	return i
}

func (h *hashSet) grow() {
	old := h.slots
	h.slots = make([]uint64, max(minHashSlots, 2*len(old)))
	for _, v := range old {
		if v != 0 {
			h.put(v)
		}
	}
}
