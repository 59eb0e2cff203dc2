package writer

import (
	"bytes"
	"context"
	"errors"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// documents makes sure that every named document is stored, opening the parts that the agent uploaded, and returns
// the names of those that are not here. Doing it again does no harm.
func (w *Writer) documents(ctx context.Context, tenant protocol.TenantID, names map[string]struct{}) (missing []string, err error) {
	for name := range names {
		stored, err := w.store.HasBlob(ctx, tenant, name)
		if err != nil {
			return nil, err
		}
		if !stored {
			stored, err = w.assemble(ctx, tenant, name)
		}
		if err != nil {
			return nil, err
		}
		if !stored {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// assemble opens and stores one document. It reports false when parts are missing, or when they do not make the
// document of that name: they are dropped then, and the agent sends it again.
func (w *Writer) assemble(ctx context.Context, tenant protocol.TenantID, name string) (bool, error) {
	parts, err := w.store.BlobParts(ctx, tenant, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key, err := w.store.BlobKey(ctx, tenant)
	if err != nil {
		return false, err
	}
	var content bytes.Buffer
	for i, sealed := range parts {
		part, err := protocol.OpenBlobPart(w.keys.Sealing, tenant, name, i, sealed)
		if err != nil {
			w.log.WarnContext(ctx, "document dropped", "tenant", tenant, "blob", name, "err", err)
			return false, w.store.DropBlobParts(ctx, tenant, name)
		}
		content.Write(part)
	}
	if protocol.BlobName(key, content.Bytes()) != name {
		w.log.WarnContext(ctx, "document dropped", "tenant", tenant, "blob", name, "err", "its content has another name")
		return false, w.store.DropBlobParts(ctx, tenant, name)
	}
	if err := w.store.StoreBlob(ctx, tenant, name, content.Bytes(), w.cfg.Now()); err != nil {
		return false, err
	}
	return true, nil
}
