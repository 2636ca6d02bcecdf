// Package astm speaks ASTM: the link of LIS01-A2 (E1381) and the records of
// LIS02-A2 (E1394). It never touches a socket, a file or a log.
package astm

import (
	"github.com/assaybus/assaybus/codec"
)

// Name is the protocol's name in configuration, headers and messages.
const Name = "astm"

// Protocol is ASTM for one instrument.
type Protocol struct {
	o codec.Options
}

var _ codec.Protocol = (*Protocol)(nil)

// New builds the protocol of one instrument.
func New(o codec.Options) (*Protocol, error) {
	return &Protocol{o: o.WithDefaults()}, nil
}

// Name is "astm".
func (p *Protocol) Name() string { return Name }

// Kind is ASTM's entry in the list of built-in protocols.
func Kind() codec.Kind {
	return codec.Kind{
		Name:   Name,
		Quirks: append(quirks(), recordQuirks()...),
		New:    func(o codec.Options) (codec.Protocol, error) { return New(o) },
		Speaks: speaks,
		Owns:   owns,
	}
}
