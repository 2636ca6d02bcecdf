package codec_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
)

// Every field of every type has its place in the schema, and the schema names
// none that does not exist.
func TestSchemaNamesEveryField(t *testing.T) {
	var schema struct {
		ID         string `json:"$id"`
		Properties map[string]json.RawMessage
		Defs       map[string]struct {
			Properties map[string]json.RawMessage
			Required   []string
		} `json:"$defs"`
	}
	if err := json.Unmarshal(codec.SchemaJSON(), &schema); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(schema.ID, strings.TrimPrefix(codec.Schema, "assaybus.")) {
		t.Errorf("$id %s is not that of %s", schema.ID, codec.Schema)
	}
	sameNames(t, "message", schema.Properties, codec.Message{})
	for name, value := range map[string]any{
		"patient": codec.Patient{}, "order": codec.Order{}, "result": codec.Result{},
		"query": codec.Query{}, "comment": codec.Comment{}, "warning": codec.Warning{},
	} {
		sameNames(t, name, schema.Defs[name].Properties, value)
	}
}

func sameNames(t *testing.T, what string, properties map[string]json.RawMessage, value any) {
	t.Helper()
	var want []string
	for field := range reflect.TypeOf(value).Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" {
			want = append(want, name)
		}
	}
	var got []string
	for name := range properties {
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("schema of %s has %v, want %v", what, got, want)
	}
}

func TestSchemaJSONIsTheCallersCopy(t *testing.T) {
	codec.SchemaJSON()[0] = '!'
	if got := codec.SchemaJSON()[0]; got != '{' {
		t.Errorf("first byte %q, want {", got)
	}
}
