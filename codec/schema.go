package codec

import (
	_ "embed"
	"slices"
)

//go:embed message.schema.json
var schemaJSON []byte

// SchemaJSON is the JSON Schema (2020-12) of a [Message] as it is published,
// named by [Schema]. The caller owns the slice.
func SchemaJSON() []byte { return slices.Clone(schemaJSON) }
