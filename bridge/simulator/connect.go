package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Dial is an [Instrument.Connect] that calls the bridge at host:port.
func Dial(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// Listener lets the bridge call: it hands every accepted connection to the
// instrument that asks next.
type Listener struct {
	listener net.Listener
	accepted chan net.Conn
	closing  chan struct{}
	once     sync.Once
	done     sync.WaitGroup
}

// acceptPause keeps a listener that cannot accept from spinning.
const acceptPause = 100 * time.Millisecond

// Listen accepts from l, which it owns from now on, until [Listener.Close].
func Listen(l net.Listener) *Listener {
	a := &Listener{listener: l, accepted: make(chan net.Conn), closing: make(chan struct{})}
	a.done.Go(a.accept)
	return a
}

// accept ends when the listener is closed.
func (a *Listener) accept() {
	defer close(a.accepted)
	for {
		conn, err := a.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, or the caller gave up already
			select {
			case <-time.After(acceptPause):
				continue
			case <-a.closing:
				return
			}
		}
		select {
		case a.accepted <- conn:
		case <-a.closing:
			conn.Close()
			return
		}
	}
}

// Connect waits for the bridge's next call: it is an [Instrument.Connect]. Its
// errors are ctx's and one wrapping net.ErrClosed after Close.
func (a *Listener) Connect(ctx context.Context) (net.Conn, error) {
	select {
	case conn, ok := <-a.accepted:
		if !ok {
			return nil, fmt.Errorf("listener %s: %w", a.listener.Addr(), net.ErrClosed)
		}
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Addr is where the bridge can call.
func (a *Listener) Addr() net.Addr { return a.listener.Addr() }

// Close stops accepting and waits until nothing of the listener runs.
// Connections that an instrument holds stay.
func (a *Listener) Close() error {
	var err error
	a.once.Do(func() {
		close(a.closing)
		err = a.listener.Close()
	})
	a.done.Wait()
	return err
}
