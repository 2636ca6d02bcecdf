package codec

import "errors"

// Joiner is what a [Protocol] may also be: one whose messages may be
// continued over several. Both methods are pure.
type Joiner interface {
	// Part tells how raw is a part of a longer message; false when it is
	// whole, or when the instrument's options say that parts are whole.
	Part(raw []byte) (Part, bool)
	// Join makes one message of all its parts, in their order. It fails with a
	// [*ParseError] wrapping [ErrParts] when they do not fit together; the
	// parts are not changed and not kept.
	Join(parts [][]byte) ([]byte, error)
}

// Part is what a part of a longer message says of its place (HL7 v2.5.1
// §2.10.2.2). It is content: it is compared, never logged.
type Part struct {
	Sender    string // who sends it: pointers are unique for a sender only
	Continues string // pointer of the part before; "" = this is the first
	Pointer   string // pointer of the part behind; "" = this is the last
}

// ErrParts are parts that do not make one message.
var ErrParts = errors.New("parts of a continued message do not fit together")

// Withhold leaves in m what a part may say before the rest is there: nobody
// may count a result twice, or take one that is cut or has lost its specimen.
func (m *Message) Withhold() {
	m.Kind = KindOther
	m.Ack, m.Patients, m.Orders, m.Results, m.Queries, m.Comments = nil, nil, nil, nil, nil, nil
	m.Warnings = []Warning{{Code: WarnPart}}
}

// Part asks the protocol that the content belongs to.
func (d *detector) Part(raw []byte) (Part, bool) {
	if j, ok := d.owner(raw).(Joiner); ok {
		return j.Part(raw)
	}
	return Part{}, false
}

// Join asks the protocol that the first part belongs to.
func (d *detector) Join(parts [][]byte) ([]byte, error) {
	if len(parts) > 0 {
		if j, ok := d.owner(parts[0]).(Joiner); ok {
			return j.Join(parts)
		}
	}
	return nil, &ParseError{Protocol: d.Name(), Err: ErrParts}
}
