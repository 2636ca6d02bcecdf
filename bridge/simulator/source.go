package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// The placeholders of a template. With one of them every play of the template
// is a message of its own; without any it is played verbatim.
const (
	placeNumber = "{n}"    // the message's running number
	placeTime   = "{time}" // now as YYYYMMDDHHMMSS, UTC
)

// The errors of [Split].
var (
	ErrNoMessage = errors.New("no message: it needs a line that begins with H and a delimiter, or with MSH")
	ErrCapture   = errors.New("a framed capture, not bare records")
)

// Source gives numbered messages made from templates, one after the other. It
// is safe for concurrent use: several instruments may play from one Source,
// and no two get the same number.
type Source struct {
	templates [][]byte
	first     int
	count     int
	clock     func() time.Time

	mu    sync.Mutex
	given int
}

// NewSource plays the templates in turn, count messages in all; 0 = for ever.
// Numbers begin at first.
func NewSource(templates [][]byte, first, count int) *Source {
	return &Source{templates: templates, first: first, count: count, clock: time.Now}
}

// Next is the next message; false after the last one.
func (s *Source) Next() ([]byte, bool) {
	s.mu.Lock()
	given := s.given
	if len(s.templates) == 0 || s.count > 0 && given >= s.count {
		s.mu.Unlock()
		return nil, false
	}
	s.given++
	s.mu.Unlock()
	return fill(s.templates[given%len(s.templates)], s.first+given, s.clock()), true
}

func fill(template []byte, n int, now time.Time) []byte {
	raw := bytes.ReplaceAll(template, []byte(placeNumber), []byte(strconv.Itoa(n)))
	return bytes.ReplaceAll(raw, []byte(placeTime), []byte(now.UTC().Format("20060102150405")))
}

// Split takes the messages out of a file of bare records: H to L, or MSH to
// the next MSH. The envelope of an HL7 batch (FHS, BHS, BTS, FTS) is left out,
// because an instrument sends the messages one by one. Lines may end in CR, LF
// or both; in the messages they end in CR, and nothing else is changed. Any
// other line outside a message is an error, so that nothing of a file is left
// out silently. Link framing is an error wrapping [ErrCapture]: use [Capture].
func Split(data []byte) ([][]byte, error) {
	if bytes.ContainsAny(data, "\x02\x05\x0b\x1c") {
		return nil, ErrCapture
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\r"))
	data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r"))
	var s splitter
	for number, line := range bytes.Split(data, []byte("\r")) {
		if len(line) > 0 && !s.take(line) {
			return nil, fmt.Errorf("line %d belongs to %w", number+1, ErrNoMessage)
		}
	}
	s.end()
	if len(s.messages) == 0 {
		return nil, ErrNoMessage
	}
	return s.messages, nil
}

// splitter collects the lines of the message in progress.
type splitter struct {
	messages [][]byte
	message  []byte
}

// take is false for a line that belongs to no message.
func (s *splitter) take(line []byte) bool {
	switch name := string(line[:min(3, len(line))]); {
	case name == "FHS", name == "BHS", name == "BTS", name == "FTS":
		s.end()
		return true
	case name == "MSH", len(line) > 1 && line[0] == 'H' && !alphanumeric(line[1]):
		s.end()
	case len(s.message) == 0:
		return false
	}
	s.add(line)
	// A terminator ends an ASTM message: its second byte is the delimiter.
	if s.message[0] == 'H' && line[0] == 'L' && len(line) > 1 && line[1] == s.message[1] {
		s.end()
	}
	return true
}

func (s *splitter) add(line []byte) {
	s.message = append(append(s.message, line...), '\r')
}

func (s *splitter) end() {
	if len(s.message) > 0 {
		s.messages = append(s.messages, s.message)
	}
	s.message = nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
