package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// humanLine tells of an event without its content: when, which instrument,
// what happened, how much. No patient and no specimen is in it.
func humanLine(e event) string {
	space, _, instrument, last := tokens(e.subject)
	instrument = either(e.header.Get(subjects.HeaderInstrument), instrument) // as configured, not as escaped
	what, detail := last, ""
	switch space {
	case "raw":
		what, detail = "raw", fmt.Sprintf("%d bytes", len(e.body))
	case "parsed":
		var m codec.Message
		if json.Unmarshal(e.body, &m) == nil {
			detail = fmt.Sprintf("%s, %s", counts(&m), origin(m.RawSequence, m.Parts))
			instrument = either(m.Instrument, instrument)
		}
	case "failed":
		what = "failed"
		var f bridge.Failure
		if json.Unmarshal(e.body, &f) == nil {
			detail = fmt.Sprintf("%s: %s, %d bytes, %s", last, f.Error, f.Bytes, origin(f.RawSequence, f.Parts))
			instrument = either(f.Instrument, instrument)
		}
	case "link":
		var l bridge.LinkEvent
		if json.Unmarshal(e.body, &l) == nil {
			detail = linkDetail(l)
			instrument = either(l.Instrument, instrument)
		}
	}
	line := fmt.Sprintf("%s  %-16s %-13s %s", e.stored.Local().Format("15:04:05.000"), shown(instrument), shown(what), shown(detail))
	return strings.TrimRight(line, " ")
}

// origin is the raw message that something was derived from, and the parts
// that were joined for it.
func origin(raw uint64, parts []uint64) string {
	switch {
	case len(parts) == 0:
		return fmt.Sprintf("raw %d", raw)
	case raw == 0:
		return "parts raw " + joined(parts)
	}
	return fmt.Sprintf("raw %d, parts raw %s", raw, joined(parts))
}

func linkDetail(l bridge.LinkEvent) string {
	parts := make([]string, 0, 6)
	for _, p := range []string{l.Phase, l.Protocol, l.Peer, l.Address, l.Reason} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if l.Messages > 0 {
		parts = append(parts, count(l.Messages, "message"))
	}
	return strings.Join(parts, ", ")
}

// rawLines is a raw message as it stood on the wire, control characters made
// visible, a record per line.
func rawLines(e event) string {
	return humanLine(e) + "\n" + recordLines(visible(e.body))
}

// recordLines is visible text, a record per line.
func recordLines(text string) string {
	text = strings.ReplaceAll(text, "␍␊", "␍␊\n")
	text = strings.ReplaceAll(text, "␍", "␍\n")
	text = strings.ReplaceAll(text, "␍\n␊\n", "␍␊\n")
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// eventJSON is an event as one JSON object: where it is stored, its headers
// and its payload; raw bytes travel as base64.
func eventJSON(e event) ([]byte, error) {
	object := struct {
		Stream   string            `json:"stream"`
		Sequence uint64            `json:"sequence"`
		Subject  string            `json:"subject"`
		StoredAt time.Time         `json:"storedAt"`
		Header   map[string]string `json:"header,omitempty"`
		Data     json.RawMessage   `json:"data,omitempty"`
		Raw      []byte            `json:"raw,omitempty"`
	}{Stream: e.stream, Sequence: e.sequence, Subject: e.subject, StoredAt: e.stored.UTC()}
	if len(e.header) > 0 {
		object.Header = map[string]string{}
	}
	for name := range e.header {
		object.Header[name] = e.header.Get(name) // NATS names are case sensitive
	}
	if space, _, _, _ := tokens(e.subject); space != "raw" && json.Valid(e.body) {
		object.Data = e.body
	} else {
		object.Raw = e.body
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // < and & stand in results
	err := encoder.Encode(object)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// tokens takes a subject of ours apart; last is the kind, reason or event.
func tokens(subject string) (space, site, instrument, last string) {
	part := strings.SplitN(subject, ".", 5)
	part = append(part, "", "", "", "", "")
	return part[1], part[2], part[3], part[4]
}
