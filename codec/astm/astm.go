// Package astm speaks ASTM: the link of LIS01-A2 (E1381) and the records of
// LIS02-A2 (E1394). It never touches a socket, a file or a log.
package astm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// Name is the protocol's name in configuration, headers and messages.
const Name = "astm"

// Protocol is ASTM for one instrument.
type Protocol struct {
	o      codec.Options
	paths  []path // of Options.SpecimenPath, as far as they are ASTM's
	asking *path  // the first of them that is of a query

	families        []codec.Family // that are known
	places, queries []path         // theirs, by index
}

var _ codec.Protocol = (*Protocol)(nil)

// maxSendFrame is the largest text of a frame (LIS01-A2 §8.3.1.2).
const maxSendFrame = 63_993

// New builds the protocol of one instrument. Its error names the option that
// is out of range.
func New(o codec.Options) (*Protocol, error) {
	o = o.WithDefaults()
	switch {
	case o.SendFrame < 1 || o.SendFrame > maxSendFrame:
		return nil, fmt.Errorf("astm: a frame of %d bytes cannot be sent: take 1 to %d", o.SendFrame, maxSendFrame)
	case o.MaxMessage < 1 || o.MaxFrame < 1 || o.MaxFrames < 1 || o.MessageTimeout < 0:
		return nil, errors.New("astm: a negative limit takes no message: leave it out for the default")
	case o.Role != codec.RoleHost && o.Role != codec.RoleInstrument:
		return nil, fmt.Errorf("astm: unknown role %q: take %s or %s", o.Role, codec.RoleHost, codec.RoleInstrument)
	}
	p := &Protocol{o: o}
	var err error
	if p.paths, err = readPaths(o.SpecimenPath); err != nil {
		return nil, fmt.Errorf("astm: %w", err)
	}
	if at := slices.IndexFunc(p.paths, func(p path) bool { return p.letter == 'Q' }); at >= 0 {
		p.asking = &p.paths[at]
	}
	p.families = codec.Families()
	p.places = codec.KnownPlaces(Name, func(f codec.Family) string { return f.Specimen }, parsePath)
	p.queries = codec.KnownPlaces(Name, func(f codec.Family) string { return f.Query }, parsePath)
	return p, nil
}

// Name is "astm".
func (p *Protocol) Name() string { return Name }

// Kind is ASTM's entry in the list of built-in protocols.
func Kind() codec.Kind {
	return codec.Kind{
		Name:   Name,
		Quirks: quirks(),
		Noted:  noted(),
		New:    func(o codec.Options) (codec.Protocol, error) { return New(o) },
		Speaks: speaks,
		Owns:   owns,
	}
}
