package codectest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// RunPair sends raw with the protocol's own sender to its own receiver: every
// Send is confirmed and every message arrives byte for byte.
func RunPair(t *testing.T, p codec.Protocol, raw ...[]byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var host Host
		served := make(chan error, 1)
		go func() {
			conn := &pushback{Conn: ours}
			for {
				if err := p.Serve(t.Context(), conn, &host); err != nil {
					served <- err
					return
				}
			}
		}()
		sender := &pushback{Conn: theirs}
		for i, m := range raw {
			if err := p.Send(t.Context(), sender, m); err != nil {
				t.Errorf("message %d: Send: %v", i, err)
				break
			}
		}
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, io.EOF) {
			t.Errorf("Serve = %v, want io.EOF", err)
		}
		got := host.Stored()
		if len(got) != len(raw) {
			t.Fatalf("%d of %d messages arrived", len(got), len(raw))
		}
		for i := range raw {
			if !bytes.Equal(got[i], raw[i]) {
				t.Errorf("message %d arrived as %s, want %s", i, Pictures(got[i]), Pictures(raw[i]))
			}
		}
		if n := len(host.GivenUp()); n > 0 {
			t.Errorf("%d messages were given up", n)
		}
	})
}

// pushback is a net.Conn that takes bytes back, as the bridge's does.
type pushback struct {
	net.Conn
	pushed []byte
}

// Read gives what was unread, then the Conn's.
func (c *pushback) Read(b []byte) (int, error) {
	if len(c.pushed) > 0 {
		n := copy(b, c.pushed)
		c.pushed = c.pushed[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Unread gives bytes back.
func (c *pushback) Unread(b []byte) {
	c.pushed = append(bytes.Clone(b), c.pushed...)
}

// SetReadDeadline leaves it to Read to tell that the other side has closed,
// as a socket does; net.Pipe tells it here.
func (c *pushback) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

var _ codec.Unreader = (*pushback)(nil)
