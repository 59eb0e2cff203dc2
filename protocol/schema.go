package protocol

// Schema says what the cells of a section mean: the fields of one record kind in the order they are sent.
// It travels once per generation, in OPEN; batches name it by its hash.
type Schema struct {
	Kind   string        `json:"kind"`
	Fields []SchemaField `json:"fields"`
}

// SchemaField is one field as sent. Type is spelled as record.Type.String does.
type SchemaField struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Scale int    `json:"scale,omitempty"`
}

// SchemaHash identifies a [Schema].
type SchemaHash [16]byte
