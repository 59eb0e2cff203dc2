package protocol

// maxHeaderList bounds each list of a header.
const maxHeaderList = 1024

// headerItems is the number of items of the header array.
const headerItems = 15

// appendHeader appends the header item. Its first item, the number of rows in the batch, is what makes
// truncation between two sections visible.
func appendHeader(b []byte, h *Header, rows int) ([]byte, error) {
	w := headerWriter{b: appendHead(b, majorArray, headerItems)}
	for _, n := range []int64{int64(rows), int64(h.Tenant), int64(h.Stream), int64(h.Gen), int64(h.Seq)} {
		w.int(n)
	}
	w.text(string(h.Lineage))
	w.int(int64(h.From))
	w.int(int64(h.To))
	w.int(h.CapturedAt)
	w.b = appendBool(w.b, h.Last)
	w.array(len(h.Covers))
	for _, kind := range h.Covers {
		w.text(kind)
	}
	w.array(len(h.Deletes))
	for _, d := range h.Deletes {
		w.array(2)
		w.text(d.Kind)
		w.int(d.Count)
	}
	w.array(len(h.Begin))
	for _, g := range h.Begin {
		w.array(3)
		w.text(g.Kind)
		w.int(int64(g.Snapshot))
		w.text(g.Epoch)
	}
	w.array(len(h.End))
	for _, g := range h.End {
		w.array(2)
		w.text(g.Kind)
		w.int(int64(g.Snapshot))
	}
	w.chunk(h.Chunk)
	return w.b, w.err
}

// headerWriter keeps the first error, so that a header is written without asking after each item.
type headerWriter struct {
	b   []byte
	err error
}

func (w *headerWriter) int(n int64) { w.b = appendInt(w.b, n) }

func (w *headerWriter) array(n int) {
	if w.err == nil && n > maxHeaderList {
		w.err = ErrTooLarge
	}
	w.b = appendHead(w.b, majorArray, uint64(n))
}

func (w *headerWriter) text(s string) {
	if w.err == nil && !textOK(s) {
		w.err = ErrText
	}
	w.b = appendText(w.b, s)
}

func (w *headerWriter) chunk(c *Chunk) {
	if c == nil {
		w.b = append(w.b, itemNull)
		return
	}
	w.array(4)
	w.text(c.Kind)
	w.int(int64(c.Snapshot))
	w.b = appendBytes(w.b, string(c.LastKey))
	w.array(len(c.Rereads))
	for _, id := range c.Rereads {
		w.int(id)
	}
}

// readHeader reads the header item. Empty lists are read as nil.
func readHeader(in *reader) (h Header, rows int64, err error) {
	r := headerReader{reader: in}
	r.arrayOf(headerItems)
	rows = r.int()
	h.Tenant, h.Stream = TenantID(r.int()), StreamID(r.int())
	h.Gen, h.Seq = Generation(r.int()), Seq(r.int())
	h.Lineage = Lineage(r.text())
	h.From, h.To = Position(r.int()), Position(r.int())
	h.CapturedAt = r.int()
	h.Last = r.bool()
	for range r.array() {
		h.Covers = append(h.Covers, r.text())
	}
	for range r.array() {
		r.arrayOf(2)
		h.Deletes = append(h.Deletes, KindCount{Kind: r.text(), Count: r.int()})
	}
	for range r.array() {
		r.arrayOf(3)
		h.Begin = append(h.Begin, Begin{Kind: r.text(), Snapshot: SnapshotID(r.int()), Epoch: r.text()})
	}
	for range r.array() {
		r.arrayOf(2)
		h.End = append(h.End, End{Kind: r.text(), Snapshot: SnapshotID(r.int())})
	}
	h.Chunk = r.chunk()
	if r.err == nil {
		r.err = h.check()
	}
	return h, rows, r.err
}

// headerReader keeps the first error and reads zeros after it; arrays are then empty, so reading ends.
type headerReader struct {
	*reader
	err error
}

func readItem[T any](r *headerReader, item func() (T, error)) (v T) {
	if r.err == nil {
		if v, r.err = item(); r.err != nil {
			var zero T
			return zero
		}
	}
	return v
}

func (r *headerReader) int() int64   { return readItem(r, r.reader.int) }
func (r *headerReader) bool() bool   { return readItem(r, r.reader.bool) }
func (r *headerReader) text() string { return readItem(r, r.reader.text) }

func (r *headerReader) array() int {
	n := readItem(r, r.reader.array)
	if n > maxHeaderList {
		r.err = ErrTooLarge
		return 0
	}
	return n
}

func (r *headerReader) arrayOf(n int) {
	if r.err == nil {
		r.err = r.reader.arrayOf(n)
	}
}

func (r *headerReader) chunk() *Chunk {
	if r.err != nil || r.null() {
		return nil
	}
	r.arrayOf(4)
	c := &Chunk{Kind: r.text(), Snapshot: SnapshotID(r.int())}
	if key := readItem(r, func() (string, error) { return r.string(majorBytes) }); key != "" {
		c.LastKey = []byte(key)
	}
	for range r.array() {
		c.Rereads = append(c.Rereads, r.int())
	}
	return c
}
