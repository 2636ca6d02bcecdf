package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between what was published and what would be
// published now.
type Change struct {
	// Path is where: results[3].units. It is empty for a change of the whole:
	// then What says failed→parsed or parsed→failed.
	Path string `json:"path,omitempty"`
	// What is changed, added or removed; for kind and reason, which hold no
	// patient's data, it is the values: result→qc.
	What string `json:"change"`
	// Then and Now are the values as JSON. They are patients' data.
	Then json.RawMessage `json:"then,omitempty"`
	Now  json.RawMessage `json:"now,omitempty"`
}

// Label is the kind of the change: results[].units changed.
func (c Change) Label() string {
	var b strings.Builder
	inside := false
	for _, r := range c.Path {
		if !inside || r == ']' {
			b.WriteRune(r)
		}
		inside = r == '[' || inside && r != ']'
	}
	return strings.TrimSpace(b.String() + " " + c.What)
}

// differences compares field by field.
func differences(then Stored, now Publication) ([]Change, error) {
	if sameBytes(then, now) {
		return nil, nil
	}
	if was, is := outcome(then.Subject), outcome(now.Subject); was != is {
		return []Change{{What: was + "→" + is}}, nil
	}
	a, err := tree(then.Body)
	if err != nil {
		return []Change{{What: "not JSON→" + outcome(now.Subject)}}, nil //nolint:nilerr // whoever published that: now it is different
	}
	b, err := tree(now.Body)
	if err != nil {
		return nil, fmt.Errorf("what was derived: %w", err)
	}
	var d differ
	d.compare("", a, b)
	return d.found, nil
}

// outcome is parsed or failed, from a subject.
func outcome(subject string) string {
	if strings.HasPrefix(subject, "lab.failed.") {
		return "failed"
	}
	return "parsed"
}

// tree decodes without turning numbers into floating point.
func tree(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// differ collects the differences between two JSON values.
type differ struct{ found []Change }

func (d *differ) compare(path string, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	switch was := a.(type) {
	case map[string]any:
		if is, ok := b.(map[string]any); ok {
			d.objects(path, was, is)
			return
		}
	case []any:
		if is, ok := b.([]any); ok {
			d.arrays(path, was, is)
			return
		}
	}
	d.add(path, "changed", a, b)
}

func (d *differ) objects(path string, was, is map[string]any) {
	keys := maps.Clone(was)
	maps.Copy(keys, is)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		below := key
		if path != "" {
			below = path + "." + key
		}
		a, inA := was[key]
		b, inB := is[key]
		switch {
		case !inA:
			d.add(below, "added", nil, b)
		case !inB:
			d.add(below, "removed", a, nil)
		default:
			d.compare(below, a, b)
		}
	}
}

// arrays compares element by element; the longer one's rest is added or
// removed.
func (d *differ) arrays(path string, was, is []any) {
	for i := range max(len(was), len(is)) {
		below := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= len(was):
			d.add(below, "added", nil, is[i])
		case i >= len(is):
			d.add(below, "removed", was[i], nil)
		default:
			d.compare(below, was[i], is[i])
		}
	}
}

func (d *differ) add(path, what string, a, b any) {
	c := Change{Path: path, What: what, Then: text(a), Now: text(b)}
	if path == "kind" || path == "reason" {
		was, _ := a.(string)
		is, _ := b.(string)
		c.What = was + "→" + is
	}
	d.found = append(d.found, c)
}

// text is a decoded value as JSON again; nil for none.
func text(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("what was decoded always encodes: " + err.Error())
	}
	return b
}
