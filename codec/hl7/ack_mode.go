package hl7

import (
	"bytes"
	"errors"

	"github.com/assaybus/assaybus/codec"
)

// The values of Options.AckMode.
const (
	ackAuto          = "auto"
	ackOriginal      = "original"  // whatever MSH-15/16 say
	ackEnhanced      = "enhanced"  // MSH-15/16 that say nothing mean AL/NE
	ackAlwaysAA      = "always_aa" // original mode, and AA for all that is stored
	ackNever         = "never"     // not a word
	failClose        = "close"     // Options.StoreFailure: no answer, connection closed
	failReject       = "reject"    // AR or CR with 207
	commitOff        = "off"       // Options.CommitAck
	commitSend       = "send"      // as receiver we send them
	commitWant       = "expect"    // as sender we wait for them
	commitBoth       = "both"      //
	quirkEchoControl = "echo-control-id"
)

// outcome is what became of a message.
type outcome int

const (
	silent       outcome = iota // not on disk; the closed connection says so
	stored                      // on disk, raw and what was derived from it
	rejected                    // on disk; repeating it will not help
	refused                     // not on disk, and the instrument is told
	uncorrelated                // on disk, but there is no control id to confirm
)

// settle is the one place where the answer of the store becomes what the
// instrument hears (truth table of the bridge). end is why the connection
// ends behind the answer; nil goes on.
func (p *Protocol) settle(h *msh, err error) (o outcome, f fault, end error) {
	switch {
	case errors.Is(err, codec.ErrTooLarge):
		return refused, faultTooLarge, err
	case err != nil && !errors.Is(err, codec.ErrReject):
		if p.o.StoreFailure == failReject {
			return refused, faultStore, nil
		}
		return silent, faultStore, err
	case h.id == "MSH" && !h.correlated():
		return uncorrelated, faultNoControlID, nil
	case h.id == "":
		return uncorrelated, faultNoMSH, nil
	case h.id != "MSH":
		return rejected, faultNoMSH, nil // a batch without a message
	case errors.Is(err, codec.ErrReject):
		return rejected, faultContent, nil
	}
	return stored, fault{}, nil
}

// answers are the codes of the accept and the application acknowledgement
// (HL7 v2 §2.9.2, §2.9.3 and table 0155); "" is none.
func (p *Protocol) answers(h *msh, o outcome) (accept, application string) {
	if o == silent || p.o.AckMode == ackNever {
		return "", ""
	}
	a, b, enhanced := p.conditions(h)
	if !enhanced {
		switch {
		case o == stored, o == rejected && p.o.AckMode == ackAlwaysAA && h.correlated():
			return "", "AA"
		case o == rejected:
			return "", "AE"
		}
		return "", "AR"
	}
	onAccept, onError := a == "AL" || a == "SU", b == "AL" || b == "ER"
	switch o {
	case stored:
		if onAccept {
			accept = "CA"
		}
		if b == "AL" || b == "SU" {
			application = "AA"
		}
	case rejected:
		// It is stored, so it is accepted; what is wrong is said by the
		// application, or by the accept acknowledgement if that is all there is.
		switch {
		case onError && onAccept:
			accept, application = "CA", "AE"
		case onError:
			application = "AE"
		case a == "AL" || a == "ER":
			accept = "CE"
		}
	default:
		switch {
		case a == "AL" || a == "ER":
			accept = "CR"
		case onError:
			application = "AR"
		}
	}
	return accept, application
}

// conditions are MSH-15 and MSH-16 when they ask for enhanced mode. They do
// only with the values of table 0155: Mindray and others keep the class of
// the result in MSH-16 and expect original mode.
func (p *Protocol) conditions(h *msh) (accept, application string, enhanced bool) {
	a, b := h.field(15), h.field(16)
	if h.id != "MSH" {
		a, b = nil, nil
	}
	accept, okA := condition(a)
	application, okB := condition(b)
	switch p.o.AckMode {
	case ackOriginal, ackAlwaysAA:
		return "", "", false
	case ackEnhanced:
		if !okA || !okB || accept == "" && application == "" {
			return "AL", "NE", true
		}
		return accept, application, true
	}
	return accept, application, okA && okB && (accept != "" || application != "")
}

func condition(f []byte) (value string, ok bool) {
	switch string(bytes.TrimSpace(f)) {
	case "", `""`:
		return "", true
	case "AL":
		return "AL", true
	case "NE":
		return "NE", true
	case "ER":
		return "ER", true
	case "SU":
		return "SU", true
	}
	return "", false
}
