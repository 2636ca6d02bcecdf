package codec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is one protocol in the list of built-in protocols.
type Kind struct {
	Name   string                          // "astm", "hl7"
	Quirks []Quirk                         // what Options.Quirks may hold
	Noted  []Quirk                         // what is tolerated without being asked and noted with the message
	New    func(Options) (Protocol, error) // builds the protocol of one instrument
	// Speaks tells from the first bytes of a conversation whether they are of
	// this protocol; noise may precede them.
	Speaks func(first []byte) Verdict
	// Owns tells whether raw, a whole message, has this protocol's content
	// (HL7 may travel inside ASTM frames).
	Owns func(raw []byte) bool
	// Rejects is true when the protocol has an answer that means "stored, but
	// do not send it again" (HL7 AE).
	Rejects bool
}

// Quirk is a tolerance that an instrument may need. Every use of one is
// counted, and its name stands in the message that needed it. A name is never
// changed.
type Quirk struct {
	Name string // as in configuration, messages and counters: "no-checksum"
	Help string // one line for people: what it accepts and who needs it
}

// Verdict is what a protocol says of the first bytes.
type Verdict int

// The verdicts.
const (
	No    Verdict = iota // not this protocol
	Maybe                // more bytes will tell
	Yes                  // this protocol
)

// ErrUnknownProtocol is a name that is not in the list.
var ErrUnknownProtocol = errors.New("unknown protocol")

// Auto is the protocol name that means: detect it.
const Auto = "auto"

// Index is the list of built-in protocols; codec/all holds the real one.
type Index []Kind

// Names are the names of the protocols, for messages to people.
func (x Index) Names() []string {
	names := make([]string, len(x))
	for i, k := range x {
		names[i] = k.Name
	}
	return names
}

// Kind finds a protocol by name.
func (x Index) Kind(name string) (Kind, error) {
	for _, k := range x {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("%w %q: take auto, %s", ErrUnknownProtocol, name, strings.Join(x.Names(), " or "))
}

// Build makes the protocol of one instrument. Name may be [Auto] or empty.
// Whatever the link, [Protocol.Parse] of the result decodes by content, so
// that HL7 inside ASTM frames is HL7. Every quirk must be known to one of the
// protocols in use, and the charset to [Decode].
func (x Index) Build(name string, o Options) (Protocol, error) {
	use := x
	if name != "" && name != Auto {
		k, err := x.Kind(name)
		if err != nil {
			return nil, err
		}
		use = Index{k}
	}
	if err := use.checkQuirks(o.Quirks); err != nil {
		return nil, err
	}
	if o.Fallback != "" && !KnownCharset(o.Fallback) {
		return nil, fmt.Errorf("unknown charset_fallback %q: use an IANA name such as windows-1251 or gb18030", o.Fallback)
	}
	if o.Charset != "" && !KnownCharset(o.Charset) {
		return nil, fmt.Errorf("unknown charset %q: take an IANA name such as windows-1252, GBK or Shift_JIS", o.Charset)
	}
	var d detector
	for _, k := range x {
		p, err := k.New(o)
		if err != nil {
			return nil, err
		}
		d.all = append(d.all, member{k, p})
		if len(use) == 1 && k.Name == use[0].Name {
			d.fixed = p
		}
	}
	return &d, nil
}

func (x Index) checkQuirks(quirks []string) error {
	for _, q := range quirks {
		known := slices.ContainsFunc(x, func(k Kind) bool {
			return slices.ContainsFunc(k.Quirks, func(have Quirk) bool { return have.Name == q })
		})
		if !known {
			return fmt.Errorf("unknown quirk %q: %s knows %s", q, strings.Join(x.Names(), " or "), strings.Join(x.QuirkNames(), ", "))
		}
	}
	return nil
}

// QuirkNames are the names of all quirks of the list, sorted.
func (x Index) QuirkNames() []string {
	var names []string
	for _, k := range x {
		for _, q := range k.Quirks {
			names = append(names, q.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
