package writer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
	"lessor.dk/portalsync/receiver/store"
)

// maxSchemas bounds the prepared schemas in memory. Agents of one version and similar plans share them.
const maxSchemas = 4096

// schema is a prepared schema and what the writer asks of it for every row.
type schema struct {
	*protocol.SectionSchema
	documents []int // places of fields that name documents
	emptiable []int // places of fields that the blanking guard watches
}

// schemas keeps prepared schemas. They are named by their content, so one serves all tenants that named it.
type schemas struct {
	mu    sync.Mutex
	known map[tenantSchema]*schema
}

type tenantSchema struct {
	tenant protocol.TenantID
	hash   protocol.SchemaHash
}

// errSchema reports a batch with a schema that the tenant's agents never named in an OPEN.
var errSchema = errors.New("schema was not named when the stream was opened")

// find returns a schema that one of the tenant's agents named in an OPEN.
func (s *schemas) find(ctx context.Context, st Store, tenant protocol.TenantID, hash protocol.SchemaHash) (*schema, error) {
	name := tenantSchema{tenant, hash}
	s.mu.Lock()
	found := s.known[name]
	s.mu.Unlock()
	if found != nil {
		return found, nil
	}
	text, err := st.Schema(ctx, tenant, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errSchema
	}
	if err != nil {
		return nil, err
	}
	if err := text.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errSchema, err)
	}
	found = prepareSchema(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSchemas {
		s.known = map[tenantSchema]*schema{}
	}
	s.known[name] = found
	return found, nil
}

func prepareSchema(text protocol.Schema) *schema {
	s := &schema{SectionSchema: protocol.PrepareSchema(text)}
	for i, f := range s.Fields {
		if s.Types[i] == record.Document {
			s.documents = append(s.documents, i)
		}
		if !s.Record.IsKey(f.Name) {
			s.emptiable = append(s.emptiable, i)
		}
	}
	return s
}

// empties reports whether the row leaves a field empty that might have been filled.
func (s *schema) empties(r *protocol.DecodedRow) bool {
	for _, i := range s.emptiable {
		if v := &r.Values[i]; v.IsNull() || v.Kind == protocol.Text && v.S == "" {
			return true
		}
	}
	return false
}
