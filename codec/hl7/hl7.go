// Package hl7 speaks HL7 v2.1 to v2.8 over MLLP: blocks, acknowledgements and
// segments. It never touches a socket, a file or a log.
package hl7

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Name is the protocol's name in configuration, headers and messages.
const Name = "hl7"

// Protocol is HL7 v2 for one instrument.
type Protocol struct {
	o     codec.Options
	paths []path           // of Options.SpecimenPath, as far as they are HL7's
	now   func() time.Time // MSH-7 of our acknowledgements
	id    func() string    // MSH-10 of our acknowledgements
}

var _ codec.Protocol = (*Protocol)(nil)

// New builds the protocol of one instrument. Its error is an option that HL7
// does not know, with the values it does.
func New(o codec.Options) (*Protocol, error) {
	for _, c := range []struct {
		option, value string
		known         []string
	}{
		{"ack_mode", o.AckMode, []string{ackAuto, ackOriginal, ackEnhanced, ackAlwaysAA, ackNever}},
		{"store_failure", o.StoreFailure, []string{failClose, failReject}},
		{"commit_ack", o.CommitAck, []string{commitOff, commitSend, commitWant, commitBoth}},
		{"continuation", o.Continuation, []string{"hl7", continueSeparate}},
	} {
		if c.value != "" && !slices.Contains(c.known, c.value) {
			return nil, fmt.Errorf("%s: unknown value (got %q, want %s)", c.option, c.value, strings.Join(c.known, ", "))
		}
	}
	paths, err := readPaths(o.SpecimenPath)
	if err != nil {
		return nil, err
	}
	return &Protocol{o: o.WithDefaults(), paths: paths, now: time.Now, id: newControlID}, nil
}

// newControlID is unique and fits MSH-10 up to v2.6, which has 20 characters.
func newControlID() string { return rand.Text()[:20] }

// Name is "hl7".
func (p *Protocol) Name() string { return Name }

// Kind is HL7's entry in the list of built-in protocols.
func Kind() codec.Kind {
	return codec.Kind{
		Name:    Name,
		Quirks:  quirks(),
		Noted:   noted(),
		New:     func(o codec.Options) (codec.Protocol, error) { return New(o) },
		Speaks:  speaks,
		Owns:    owns,
		Rejects: true,
	}
}

func quirks() []codec.Quirk {
	return []codec.Quirk{
		{Name: quirkEchoControl, Help: "our acknowledgement carries the control id of the message as its own (Mindray BS and CL families print it so)"},
	}
}

// noted are the oddities that are always tolerated.
func noted() []codec.Quirk {
	return []codec.Quirk{
		{Name: quirkNoEndBlock, Help: "a block did not end before the next message began"},
		{Name: quirkNoBlockCR, Help: "no CR behind an end block (heartbeats, several blocks in one segment)"},
		{Name: quirkUnframed, Help: "a message without a block around it"},
		{Name: quirkShiftedMSH, Help: "the header has a field too few or too many before MSH-9 (Snibe, faulty hosts)"},
	}
}

// speaks knows a start block, and a header segment without one, behind the
// padding and heartbeats that instruments send between messages.
func speaks(first []byte) codec.Verdict {
	for i, b := range first {
		switch b {
		case sb:
			return codec.Yes
		case 0x00, 0x02, cr, lf, ' ', 0xEF, 0xBB, 0xBF: // with a UTF-8 byte order mark
			continue
		}
		return startsMessage(first[i:])
	}
	return codec.Maybe
}
