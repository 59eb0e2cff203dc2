package ingest

import (
	"strconv"

	"lessor.dk/portalsync/protocol"
)

const (
	// maxPartBytes is the largest sealed part of a document.
	maxPartBytes = protocol.BlobPartBytes + protocol.SealedOverhead
	maxParts     = protocol.MaxBlobBytes / protocol.BlobPartBytes
)

// blobState tells which parts of a document are here, so that an upload can be resumed.
func (in *Ingest) blobState(c *call) (any, error) {
	name, err := c.blobName()
	if err != nil {
		return nil, err
	}
	if _, err := c.bytes(); err != nil {
		return nil, err
	}
	return in.store.BlobState(c.Context(), c.agent.Tenant, name)
}

// putBlobPart keeps one sealed part: PUT ?part=i&of=n.
func (in *Ingest) putBlobPart(c *call) (any, error) {
	name, err := c.blobName()
	if err != nil {
		return nil, err
	}
	part, err1 := strconv.Atoi(c.URL.Query().Get("part"))
	of, err2 := strconv.Atoi(c.URL.Query().Get("of"))
	if err1 != nil || err2 != nil || of < 1 || of > maxParts || part < 0 || part >= of {
		return nil, malformed("part and of must be numbers with 0 ≤ part < of ≤ %d", maxParts)
	}
	if c.Header.Get("Content-Type") != protocol.MediaBlob {
		return nil, malformed("a part of a document is %s", protocol.MediaBlob)
	}
	sealed, err := c.bytes()
	if err != nil {
		return nil, err
	}
	if err := in.store.PutBlobPart(c.Context(), c.agent.Tenant, name, part, of, sealed); err != nil {
		return nil, err
	}
	return in.store.BlobState(c.Context(), c.agent.Tenant, name)
}

// blobName returns the document's name from the path.
func (c *call) blobName() (string, error) {
	name := c.param("name")
	if !protocol.IsBlobName(name) {
		return "", malformed("a document's name is 64 hexadecimal digits")
	}
	return name, nil
}
