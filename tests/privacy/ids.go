package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
)

// shortest is the least number of bytes of an id that is looked for: shorter
// ones stand in every line of digits.
const shortest = 4

// id is what must be heard nowhere.
type id struct {
	text   string         // folded
	what   string         // "patient", "name", "birth date", "specimen"
	from   string         // where it was found
	digits bool           // it could be a part of a number, a time or a digest
	seen   []string       // the processes through which it passed; nil = it is looked for everywhere
	made   *regexp.Regexp // of generated ids: what follows text; nil = text is the whole id
}

// ids are all that are known, by folded text.
type ids struct {
	known    map[string]id
	weak     map[string]string // those that cannot be looked for, and where they were found
	protocol codec.Protocol
	process  string // whose messages are taken; "" = the repository's
}

func newIDs() (*ids, error) {
	protocol, err := all.Protocols.Build(codec.Auto, codec.Options{})
	return &ids{known: map[string]id{}, weak: map[string]string{}, protocol: protocol}, err
}

// fold makes texts comparable.
func fold(text string) string { return strings.ToLower(text) }

// add takes an id that is long enough.
func (x *ids) add(what, from, text string) {
	text = fold(strings.TrimSpace(text))
	if !strings.ContainsFunc(text, alphanumeric) || strings.ContainsAny(text, "\uFFFD%{") {
		return // nothing, a bad byte, or a verb of fmt
	}
	if weak(text) {
		x.weak[text] = from
		return
	}
	one, old := x.known[text]
	if !old {
		one = id{text: text, what: what, from: from, digits: numeric(text)}
	}
	if x.process != "" && (!old || one.seen != nil) && !slices.Contains(one.seen, x.process) {
		one.seen = append(one.seen, x.process)
	}
	x.known[text] = one
}

// within reports whether the id is looked for in what a process said.
func (d id) within(process string) bool {
	return d.seen == nil || process == anybody || slices.Contains(d.seen, process)
}

func alphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// weak is true of ids that cannot be looked for: the shortest stand in every
// line of digits, and a few digits alone are also a port, a size or a counter.
func weak(text string) bool {
	return len(text) < shortest || len(text) < 7 && strings.Trim(text, "0123456789-:.") == ""
}

// numeric is true for what may be a part of a number, a time or a digest.
func numeric(text string) bool {
	return strings.Trim(text, "0123456789abcdef-:.") == ""
}

// message takes the ids of everything that raw, a message or a part of one,
// says of people and tubes.
func (x *ids) message(from string, raw []byte) {
	if m, err := x.protocol.Parse(raw); err == nil {
		x.parsed(from, m)
		return
	}
	if m := new(codec.Message); json.Unmarshal(raw, m) == nil { // as consumers read it
		x.parsed(from, m)
		return
	}
	// What is no message may be records without their header.
	for line := range bytes.FieldsFuncSeq(raw, func(r rune) bool { return r == '\r' || r == '\n' }) {
		head := "H|\\^&\r"
		switch name, _, _ := bytes.Cut(line, []byte("|")); string(name) {
		case "PID", "SPM", "SAC", "OBR", "ORC", "QPD", "QRD":
			head = "MSH|^~\\&|||||20261123083600||ORU^R01|1|P|2.5.1\r"
		case "P", "O", "Q":
		default:
			continue
		}
		if m, err := x.protocol.Parse(append([]byte(head), line...)); err == nil {
			x.parsed(from, m)
		}
	}
}

// parsed takes the ids of a decoded message.
func (x *ids) parsed(from string, m *codec.Message) {
	for _, p := range m.Patients {
		for _, text := range append(p.IDs, p.ID) {
			x.add("patient", from, text)
		}
		if p.Name != nil {
			for _, text := range []string{p.Name.Family, p.Name.Given, p.Name.Middle} {
				x.add("name", from, text)
			}
		}
		day, _, _ := strings.Cut(p.BirthDate, "T")
		x.add("birth date", from, day)
		x.add("birth date", from, strings.ReplaceAll(day, "-", ""))
	}
	for _, o := range m.Orders {
		for _, text := range append(slices.Clone(o.Specimens), o.Specimen, o.InstrumentSpecimen, o.Container) {
			x.add("specimen", from, text)
		}
	}
	for _, r := range m.Results {
		x.add("specimen", from, r.Specimen)
		x.add("specimen", from, r.InstrumentSpecimen)
	}
	for _, q := range m.Queries {
		x.add("patient", from, q.Patient)
		for _, text := range append(slices.Clone(q.Specimens), q.To) {
			x.add("specimen", from, text)
		}
	}
}

// template takes the ids of a message in which {n} stands for a number.
func (x *ids) template(from string, raw []byte) {
	inner := &ids{known: map[string]id{}, weak: x.weak, protocol: x.protocol}
	inner.message(from, bytes.ReplaceAll(raw, []byte("{n}"), []byte("7777777")))
	for text, one := range inner.known {
		before, after, generated := strings.Cut(text, "7777777")
		if !generated {
			x.add(one.what, from, text)
			continue
		}
		if len(before) < shortest {
			x.weak[before+"{n}"+after] = from
			continue
		}
		one.text, one.from = before, from
		one.made = regexp.MustCompile(`^[0-9]+` + regexp.QuoteMeta(after))
		x.known[before+"{n}"+after] = one
	}
}

// index finds ids in a text in one pass, by their first bytes.
type index map[[shortest]byte][]id

func (x *ids) index() index {
	at := index{}
	for _, one := range x.known {
		key := [shortest]byte([]byte(one.text[:shortest]))
		at[key] = append(at[key], one)
	}
	return at
}

// find gives the ids that stand in text, each once.
func (at index) find(text string) []id {
	text = fold(text)
	var hits []id
	for i := 0; i+shortest <= len(text); i++ {
		for _, one := range at[[shortest]byte([]byte(text[i:i+shortest]))] {
			if one.stands(text, i) && !slices.ContainsFunc(hits, func(h id) bool { return h.text == one.text && h.made == one.made }) {
				hits = append(hits, one)
			}
		}
	}
	return hits
}

// brief ids stand by chance in the random names that a bus gives itself.
const brief = 6

// stands is true when text has the id at position i: not inside a longer
// number, digest or random name, nor a name inside a longer word.
func (d id) stands(text string, i int) bool {
	if !strings.HasPrefix(text[i:], d.text) {
		return false
	}
	before, after := text[:i], text[i+len(d.text):]
	if d.made != nil {
		end := d.made.FindString(after)
		if end == "" {
			return false
		}
		after = after[len(end):]
	}
	inside := func(rune) bool { return false }
	switch {
	case d.digits, d.made != nil, len(d.text) < brief:
		inside = alphanumeric
	case d.what == "name":
		inside = unicode.IsLetter
	}
	last, first := rune(-1), rune(-1)
	for _, r := range before[max(0, len(before)-4):] {
		last = r
	}
	for _, r := range after {
		first = r
		break
	}
	return !inside(last) && !inside(first)
}
