//go:build unix

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
)

// A message of the harness has two orders with one result each. Specimen and
// value both tell the instrument, the number and the order, so a result that
// was attributed to any other specimen gives itself away.
const perMessage = 2

// specimen and value of order k (from 0) of message n of an instrument.
func specimen(instrument string, n, k int) string {
	return fmt.Sprintf("SPCQ-%s-%d-%d", instrument, n, k)
}
func value(n, k int) string { return fmt.Sprintf("%d.%d", n, k) }

// compose is message n of an instrument; the same number gives the same bytes.
func compose(protocol, instrument string, n int) []byte {
	var b bytes.Buffer
	if protocol == "hl7" {
		fmt.Fprintf(&b, "MSH|^~\\&|%s|BENCH|HOST|LAB|20261123083600||ORU^R01^ORU_R01|%d|P|2.5.1\rPID|1||PATQ-%d||Quillonby^Wystanford\r", instrument, n, n)
		for k := range perMessage {
			fmt.Fprintf(&b, "OBR|%d||%s|GLU^Glucose^L\rOBX|1|NM|GLU^Glucose^L||%s|mmol/L|3.9-6.1|N|||F\r", k+1, specimen(instrument, n, k), value(n, k))
		}
		return b.Bytes()
	}
	fmt.Fprintf(&b, "H|\\^&|%d||%s^1.0|||||HOST||P|1|20261123083600\rP|1||PATQ-%d||Quillonby^Wystanford\r", n, instrument, n)
	for k := range perMessage {
		fmt.Fprintf(&b, "O|%d|%s||^^^GLU|R\rR|1|^^^GLU|%s|mmol/L|3.9^6.1|N||F\r", k+1, specimen(instrument, n, k), value(n, k))
	}
	b.WriteString("L|1|N\r")
	return b.Bytes()
}

// misattributed says what is wrong with the results of a parsed message that
// claims to come from instrument; "" when each belongs to its specimen.
func misattributed(m *codec.Message, instrument string) string {
	if m.Instrument != instrument {
		return "parsed message names another instrument than its header"
	}
	for _, r := range m.Results {
		rest, ours := strings.CutPrefix(r.Specimen, "SPCQ-"+instrument+"-")
		number, order, two := strings.Cut(rest, "-")
		n, err := strconv.Atoi(number)
		k, err2 := strconv.Atoi(order)
		switch {
		case !ours || !two || err != nil || err2 != nil:
			return "result without a specimen of its instrument"
		case r.Value != value(n, k):
			return "result attributed to another specimen"
		}
	}
	return ""
}

// knows reports whether the link sent the message with this digest.
func (l *link) knows(d simulator.Digest) bool { return l.number(d) > 0 }

// number is the number of the message with this digest; 0 = never sent.
func (l *link) number(d simulator.Digest) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[d]
}

// began reports whether the link sent raw: as the beginning of a message, or,
// when it is kept as incomplete, as fragments of one and the same message: what
// a broken line, an expired timer and a frame that was being repeated leave.
func (l *link) began(raw []byte, incomplete bool) bool {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	for n := last; n > 0; n-- {
		message := compose(l.protocol, l.id, n)
		if bytes.HasPrefix(message, raw) || incomplete && fragments(message, raw) <= maxFragments {
			return true
		}
	}
	return false
}

// maxFragments is fewer than the places in which two messages differ, so that
// a mixture of two is none of one.
const maxFragments = 5

// fragments counts the pieces of message that raw is made of, control
// characters and a checksum of a frame between them left out. A byte that the
// message does not hold, damaged on the line, counts as a piece.
func fragments(message, raw []byte) int {
	count := 0
	for len(raw) > 0 {
		length := 0
		for length < len(raw) && bytes.Contains(message, raw[:length+1]) {
			length++
		}
		switch {
		case raw[0] == etx && len(raw) > 2: // and its checksum
			raw = raw[3:]
		case length == 0 && raw[0] < ' ':
			raw = raw[1:]
		default:
			count++
			raw = raw[max(length, 1):]
		}
	}
	return count
}

// etx ends a frame; two digits of checksum follow.
const etx = 0x03
