// Package hl7 speaks HL7 v2.1 to v2.8 over MLLP: blocks, acknowledgements and
// segments. It never touches a socket, a file or a log.
package hl7

import (
	"github.com/assaybus/assaybus/codec"
)

// Name is the protocol's name in configuration, headers and messages.
const Name = "hl7"

// Protocol is HL7 v2 for one instrument.
type Protocol struct {
	o codec.Options
}

var _ codec.Protocol = (*Protocol)(nil)

// New builds the protocol of one instrument.
func New(o codec.Options) (*Protocol, error) {
	return &Protocol{o: o.WithDefaults()}, nil
}

// Name is "hl7".
func (p *Protocol) Name() string { return Name }

// Kind is HL7's entry in the list of built-in protocols.
func Kind() codec.Kind {
	return codec.Kind{
		Name:    Name,
		Quirks:  quirks(),
		New:     func(o codec.Options) (codec.Protocol, error) { return New(o) },
		Speaks:  speaks,
		Owns:    owns,
		Rejects: true,
	}
}
