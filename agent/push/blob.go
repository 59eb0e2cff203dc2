package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"lessor.dk/portalsync/protocol"
)

// errNoBlobKey reports a document before the generation was opened.
var errNoBlobKey = errors.New("send document: the stream is not open")

// PutBlob sends a document in sealed parts and returns the name under which rows refer to it.
// It asks first which parts the receiver holds: an interrupted upload goes on where it was, and a
// document that is there already costs one request.
func (c *Client) PutBlob(ctx context.Context, content []byte) (string, error) {
	key := c.blobKey.Load()
	if key == nil {
		return "", errNoBlobKey
	}
	if len(content) > protocol.MaxBlobBytes {
		return "", &protocol.Reject{Code: protocol.CodeTooLarge,
			Detail: fmt.Sprintf("the document has %d bytes, at most %d fit", len(content), protocol.MaxBlobBytes)}
	}
	name := protocol.BlobName(*key, content)
	var state protocol.BlobState
	ask := &call{client: c, method: http.MethodGet, path: protocol.PathBlob + name, media: protocol.MediaJSON}
	if err := ask.do(ctx, &state); err != nil && !errors.Is(err, &protocol.Reject{Code: protocol.CodeNotFound}) {
		return "", err
	}
	if state.Complete {
		return name, nil
	}
	of := max(1, (len(content)+protocol.BlobPartBytes-1)/protocol.BlobPartBytes)
	for part := range of {
		if slices.Contains(state.Parts, part) {
			continue
		}
		from := part * protocol.BlobPartBytes
		if err := c.putPart(ctx, name, part, of, content[from:min(from+protocol.BlobPartBytes, len(content))]); err != nil {
			return "", err
		}
	}
	return name, nil
}

func (c *Client) putPart(ctx context.Context, name string, part, of int, content []byte) error {
	sealed, err := c.sealed(ctx, func(ks *protocol.Keyset) ([]byte, error) {
		return protocol.SealBlobPart(ks, c.Now(), c.id.Tenant, name, part, content)
	})
	if err != nil {
		return fmt.Errorf("seal part %d of document: %w", part, err)
	}
	send := &call{
		client: c, method: http.MethodPut, media: protocol.MediaBlob, body: sealed,
		path: fmt.Sprintf("%s%s?part=%d&of=%d", protocol.PathBlob, name, part, of),
	}
	return send.do(ctx, nil)
}
