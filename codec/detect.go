package codec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrUnknownContent is a message, or the beginning of a conversation, that
// belongs to none of the built-in protocols.
var ErrUnknownContent = errors.New("bytes of no known protocol")

// Witness is what a Host may also be: it is told which protocol a
// conversation was found to speak.
type Witness interface {
	Detected(protocol string)
}

// MaxRecords is how many line ends a message may hold to be decoded. A record
// of two bytes becomes hundreds: five million of them are no message of an
// analyzer, but they would take the memory of all.
const MaxRecords = 100_000

var errRecords = fmt.Errorf("more than %d records", MaxRecords)

// detectWindow is how many bytes may come before the protocol must be clear.
const detectWindow = 512

type member struct {
	kind     Kind
	protocol Protocol
}

// detector is the Protocol that [Index.Build] makes: it serves the fixed
// protocol, or the one that the first bytes speak, and parses by content.
type detector struct {
	all   []member
	fixed Protocol
}

// Name is the fixed protocol's name, or [Auto].
func (d *detector) Name() string {
	if d.fixed != nil {
		return d.fixed.Name()
	}
	return Auto
}

// Serve decides anew at the beginning of every conversation, so an instrument
// that is switched from one protocol to the other needs no restart.
func (d *detector) Serve(ctx context.Context, conn Conn, host Host) error {
	if d.fixed != nil {
		return d.fixed.Serve(ctx, conn, host)
	}
	first, p, err := d.detect(conn)
	if p == nil {
		if len(first) > 0 {
			Note(host, EventNoise)
		}
		return err
	}
	if w, ok := host.(Witness); ok {
		w.Detected(p.Name())
	}
	if u, ok := conn.(Unreader); ok {
		u.Unread(first)
	} else {
		conn = &prefixed{Conn: conn, first: first}
	}
	return p.Serve(ctx, conn, host)
}

// detect reads until one protocol says yes. A nil protocol with a nil error
// is noise followed by silence.
func (d *detector) detect(conn Conn) ([]byte, Protocol, error) {
	first := make([]byte, 0, detectWindow)
	deadline := time.Now().Add(DefaultMessageTimeout)
	for {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return first, nil, err
		}
		n, err := conn.Read(first[len(first):cap(first)])
		first = first[:len(first)+n]
		p, maybe := d.judge(first)
		switch {
		case p != nil:
			return first, p, nil
		case IsTimeout(err):
			return first, nil, nil
		case err != nil:
			return first, nil, err
		case !maybe, len(first) == cap(first):
			return first, nil, ErrUnknownContent
		}
	}
}

func (d *detector) judge(first []byte) (p Protocol, maybe bool) {
	for _, m := range d.all {
		switch m.kind.Speaks(first) {
		case Yes:
			return m.protocol, true
		case Maybe:
			maybe = true
		case No:
		}
	}
	return nil, maybe
}

// Send speaks the fixed protocol, or the one that the content belongs to.
func (d *detector) Send(ctx context.Context, conn Conn, raw []byte) error {
	p := d.fixed
	if p == nil {
		p = d.owner(raw)
	}
	if p == nil {
		return ErrUnknownContent
	}
	return p.Send(ctx, conn, raw)
}

// Parse decodes by content, whatever the link.
func (d *detector) Parse(raw []byte) (*Message, error) {
	p := d.owner(raw)
	if p == nil {
		return nil, &ParseError{Protocol: d.Name(), Err: ErrUnknownContent}
	}
	if bytes.Count(raw, []byte{'\r'})+bytes.Count(raw, []byte{'\n'}) > MaxRecords {
		return nil, &ParseError{Protocol: p.Name(), Err: errRecords}
	}
	return p.Parse(raw)
}

func (d *detector) owner(raw []byte) Protocol {
	for _, m := range d.all {
		if m.kind.Owns(raw) {
			return m.protocol
		}
	}
	return nil
}

// prefixed is a Conn whose first bytes have been read already.
type prefixed struct {
	Conn
	first []byte
}

// Read gives the first bytes, then the Conn's.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}

var _ io.Reader = (*prefixed)(nil)
