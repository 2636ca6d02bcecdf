package codectest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// dialogue is one conversation under way: the instrument is the file, our
// side is a loop over Serve and Send as the bridge's.
type dialogue struct {
	host     Host
	protocol codec.Protocol
	cancel   context.CancelFunc
	ours     *pushback
	theirs   net.Conn
	toWrite  chan []byte
	done     sync.WaitGroup

	mu      sync.Mutex
	pending []byte   // written by us, not yet named by the file
	idle    bool     // our loop waits for a first byte
	orders  [][]byte // to be sent
	sent    []error  // how sending ended
	ended   error    // why our loop ended
	log     bytes.Buffer

	nextStored, nextGivenUp, nextSent int
	named                             codec.Delivery // the message that the file named last
}

func newDialogue(ctx context.Context, p codec.Protocol) *dialogue {
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	d := &dialogue{
		protocol: p, cancel: cancel,
		ours: &pushback{Conn: ours}, theirs: theirs,
		toWrite: make(chan []byte, 1000),
	}
	d.done.Go(func() {
		err := d.serve(ctx)
		privacytest.Error(err)
		d.mu.Lock()
		d.ended = err
		d.mu.Unlock()
		ours.Close()
	})
	d.done.Go(func() { // what we write never has to wait for the file
		b := make([]byte, 4096)
		for {
			n, err := theirs.Read(b)
			d.mu.Lock()
			d.pending = append(d.pending, b[:n]...)
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	d.done.Go(func() { // the file never has to wait for us to read
		for b := range d.toWrite {
			if _, err := theirs.Write(b); err != nil {
				return
			}
		}
	})
	return d
}

// serve is the bridge's loop: wait for a byte without a deadline, serve a
// conversation, send what waits whenever the line is neutral.
func (d *dialogue) serve(ctx context.Context) error {
	first := make([]byte, 1)
	for {
		d.mu.Lock()
		orders := d.orders
		d.orders = nil
		if err := d.ours.SetReadDeadline(time.Time{}); err != nil {
			d.mu.Unlock()
			return err
		}
		d.idle = len(orders) == 0
		d.mu.Unlock()
		for _, raw := range orders {
			err := d.protocol.Send(ctx, d.ours, raw)
			d.mu.Lock()
			d.sent = append(d.sent, err)
			d.mu.Unlock()
		}
		if len(orders) > 0 {
			continue
		}
		n, err := d.ours.Read(first)
		d.mu.Lock()
		d.idle = false
		d.mu.Unlock()
		switch {
		case codec.IsTimeout(err):
			continue // woken to send
		case err != nil:
			return err
		}
		d.ours.Unread(first[:n])
		if err := d.protocol.Serve(ctx, d.ours, &d.host); err != nil {
			return err
		}
	}
}

func (d *dialogue) order(raw []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.orders = append(d.orders, raw)
	if d.idle {
		return d.ours.SetReadDeadline(time.Now())
	}
	return nil
}

func (d *dialogue) close() {
	d.cancel()
	close(d.toWrite)
	d.theirs.Close()
	d.ours.Close()
	d.done.Wait()
}

func (d *dialogue) failure(what string) error {
	return fmt.Errorf("%s\n--- dialogue ---\n%s", what, d.log.String())
}

// take removes what we have written and the file has not named yet.
func (d *dialogue) take(n int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	n = min(n, len(d.pending))
	b := bytes.Clone(d.pending[:n])
	d.pending = d.pending[n:]
	return b
}

func (d *dialogue) unnamed() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.pending)
}

func (d *dialogue) end() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}

// leftOver is what the file forgot to name.
func (d *dialogue) leftOver() error {
	synctest.Wait()
	if b := d.unnamed(); len(b) > 0 {
		return fmt.Errorf("we wrote %s as well", Pictures(b))
	}
	if s := d.host.Stored(); len(s) > d.nextStored {
		return fmt.Errorf("stored as well: %s", Pictures(s[d.nextStored]))
	}
	if g := d.host.GivenUp(); len(g) > d.nextGivenUp {
		return fmt.Errorf("given up as well: %s (%w)", Pictures(g[d.nextGivenUp].Raw), g[d.nextGivenUp].Why)
	}
	if err := d.host.Fault(); err != nil {
		return err
	}
	if err := d.end(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		fmt.Fprintf(&d.log, "ended: %v\n", err)
	}
	return nil
}
