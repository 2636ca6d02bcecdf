package bridge

import (
	"bytes"
	"slices"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Selection says which raw messages are replayed. Zero fields select all.
type Selection struct {
	Site       string
	Instrument string
	Protocol   string    // of the link: astm, hl7
	Since      time.Time // stored then or later
	Until      time.Time // stored before
	From, To   uint64    // raw sequences, both included
	Failed     bool      // only what failed at least once
	Specimen   string    // only what holds this specimen's id
}

// subjects are the filters for the site and the instrument under each root.
func (s Selection) subjects(roots ...string) []string {
	token := func(id string) string {
		if id == "" {
			return "*"
		}
		return subjects.Token(id)
	}
	var all []string
	for _, root := range roots {
		filter := root + "." + token(s.Site) + "." + token(s.Instrument)
		if root != "lab.raw" {
			filter += ".*" // the kind or the reason
		}
		all = append(all, filter)
	}
	return all
}

// query is the part of s that the stream can answer.
func (s Selection) query(last uint64) Query {
	q := Query{Stream: subjects.StreamRaw, Subjects: s.subjects("lab.raw"), Since: s.Since, From: s.From, To: last}
	if s.To > 0 {
		q.To = min(s.To, last)
	}
	return q
}

// holdsSpecimen reports whether the message is about the specimen: its id
// stands in raw, not as a part of a longer one, or was decoded as one.
func holdsSpecimen(raw []byte, m *codec.Message, id string) bool {
	for rest := raw; ; {
		at := bytes.Index(rest, []byte(id))
		if at < 0 {
			break
		}
		end := at + len(id)
		if (at == 0 || !inWord(rest[at-1])) && (end == len(rest) || !inWord(rest[end])) {
			return true
		}
		rest = rest[at+1:]
	}
	return m != nil && slices.Contains(specimens(m), id)
}

// inWord is a byte that makes an id next to it a longer one.
func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80
}

// specimens are the specimen ids that were decoded.
func specimens(m *codec.Message) []string {
	var all []string
	for _, o := range m.Orders {
		all = append(append(all, o.Specimen, o.InstrumentSpecimen, o.Container), o.Specimens...)
	}
	for _, r := range m.Results {
		all = append(all, r.Specimen, r.InstrumentSpecimen)
	}
	for _, q := range m.Queries {
		all = append(all, q.Specimens...)
	}
	return all
}
