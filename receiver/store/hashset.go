package store

// hashSet is a set of 64-bit hashes. It exists because a batch adds thousands of hashes to one on the hot path:
// open addressing costs a fifth of a map.
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

// remove takes a hash out and closes the gap, so that those that were put behind it are still found.
func (h *hashSet) remove(v uint64) {
	if v == 0 || !h.has(v) {
		h.zero = h.zero && v != 0
		return
	}
	h.n--
	mask := len(h.slots) - 1
	gap := h.slot(v)
	for i := (gap + 1) & mask; h.slots[i] != 0; i = (i + 1) & mask {
		if home := int(h.slots[i]) & mask; (i-home)&mask >= (i-gap)&mask {
			h.slots[gap] = h.slots[i]
			gap = i
		}
	}
	h.slots[gap] = 0
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
