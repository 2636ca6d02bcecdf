package hl7

import (
	"bufio"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// NewFixed is New with a clock that stands and a control id that does not
// change, so that answers can be compared byte for byte.
func NewFixed(o codec.Options) *Protocol {
	p, err := New(o)
	if err != nil {
		panic(err)
	}
	p.now = func() time.Time { return time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC) }
	p.id = func() string { return "X1" }
	return p
}

// Splitter is the split function of a conversation.
func Splitter(limit int) bufio.SplitFunc {
	m := mllp{max: limit}
	return m.split
}

// Tokens splits data with the kind and quirk of every token.
func Tokens(limit int, data []byte) (tokens []string, rest []byte, err error) {
	m := mllp{max: limit}
	kinds := []string{"block", "garbled", "commit", "heartbeat", "filler", "noise"}
	for len(data) > 0 {
		n, token, err := m.split(data, true)
		if err != nil || n == 0 {
			return tokens, data, err
		}
		if token != nil {
			name := kinds[m.kind]
			if m.quirk != "" {
				name += "(" + m.quirk + ")"
			}
			tokens = append(tokens, name+" "+string(token))
		}
		data = data[n:]
	}
	return tokens, nil, nil
}

// SplitterKind is the split function of a conversation and the kind of the
// token that it returned last.
func SplitterKind(limit int) (split bufio.SplitFunc, kind func() string) {
	m := mllp{max: limit}
	kinds := []string{"block", "garbled", "commit", "heartbeat", "filler", "noise"}
	return m.split, func() string { return kinds[m.kind] }
}
