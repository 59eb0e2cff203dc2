package capture

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"lessor.dk/portalsync/protocol"
)

const (
	// uploadPatience bounds the upload of one document: the source's transaction is open meanwhile.
	uploadPatience = time.Minute
	uploadsAtOnce  = 4
)

// nameDocuments returns the row with the names of its documents in place of their content, in cells, which it reuses.
// each, unless it is nil, is called with every document. One that is too large to be sent has no name.
func (c *Capture) nameDocuments(k *kind, cells *[]protocol.Value, r *protocol.Row, each func(content []byte) error) (named *protocol.Row, tooLarge bool, err error) {
	*cells = append((*cells)[:0], r.Values...)
	for _, i := range k.documents {
		if r.Values[i].IsNull() {
			continue
		}
		if len(r.Values[i].S) > protocol.MaxBlobBytes {
			return nil, true, nil
		}
		content := []byte(r.Values[i].S)
		name, err := c.recv.BlobName(content)
		if err != nil {
			return nil, false, fmt.Errorf("name a document of %s: %w", k.name(), err)
		}
		if each != nil {
			if err := each(content); err != nil {
				return nil, false, err
			}
		}
		(*cells)[i] = protocol.TextValue(name)
	}
	return &protocol.Row{Op: r.Op, Version: r.Version, Values: *cells}, false, nil
}

// uploads are the documents on their way to the receiver while the rows behind them are read. Together they are no
// larger than the largest document may be. It belongs to one goroutine.
type uploads struct {
	recv  Receiver
	limit int
	room  *semaphore.Weighted // bytes
	group *errgroup.Group     // nil when nothing is on its way
	ctx   context.Context     //nolint:containedctx // of the group: an upload that fails ends the others
}

func newUploads(recv Receiver, limit int) *uploads {
	return &uploads{recv: recv, limit: limit, room: semaphore.NewWeighted(protocol.MaxBlobBytes)}
}

// start sends a document, after waiting for room. Its error, and that of any before it, is wait's.
func (u *uploads) start(ctx context.Context, kind string, content []byte) error {
	if u.group == nil {
		u.group, u.ctx = errgroup.WithContext(ctx)
		u.group.SetLimit(u.limit)
	}
	size := int64(len(content))
	if err := u.room.Acquire(u.ctx, size); err != nil {
		return u.wait()
	}
	group, ctx := u.group, u.ctx
	group.Go(func() error {
		defer u.room.Release(size)
		ctx, cancel := context.WithTimeout(ctx, uploadPatience)
		defer cancel()
		if _, err := u.recv.PutBlob(ctx, content); err != nil {
			return fmt.Errorf("upload a document of %s: %w", kind, err)
		}
		return nil
	})
	return nil
}

// wait returns when nothing is on its way, with the first error since the last wait.
func (u *uploads) wait() error {
	if u.group == nil {
		return nil
	}
	err := u.group.Wait()
	u.group = nil
	return err
}
