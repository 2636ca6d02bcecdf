package bridge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// links are the listeners and dialers in force. Only Server.Run's goroutine
// changes them.
type links struct {
	server    *Server
	registry  *Registry
	listeners map[string]*listener // by listenKey
	dialers   map[string]*dialer   // by instrument id
}

func newLinks(s *Server) *links {
	return &links{server: s, registry: &Registry{}, listeners: make(map[string]*listener), dialers: make(map[string]*dialer)}
}

// change puts registry in force. A link whose instrument is the same stays as
// it is, connections included.
func (l *links) change(ctx context.Context, registry *Registry) {
	for n, i := range registry.Instruments {
		if old := l.registry.Instrument(i.ID); old != nil && old.same(i) {
			registry.Instruments[n] = old // the connections know the old one
		}
	}
	routes := registry.listeners()
	for key, open := range l.listeners {
		if _, still := routes[key]; !still {
			open.close()
			delete(l.listeners, key)
		}
	}
	for id, d := range l.dialers {
		if i := registry.Instrument(id); i != d.inst {
			d.close()
			delete(l.dialers, id)
		}
	}
	l.server.dismiss(func(i *Instrument) bool { return registry.Instrument(i.ID) == i })
	for _, old := range l.registry.Instruments {
		if registry.Instrument(old.ID) == nil {
			l.server.board.forget(old.ID)
		}
	}
	for _, i := range registry.Instruments { // everyone has a row before anyone is heard
		l.server.board.status(i)
	}
	if plain := registry.plain(); len(plain) > 0 && !slices.Equal(plain, l.registry.plain()) {
		l.server.log.Warn("results cross the network unprotected (tls: off): whoever is on it can read and forge them", "instruments", plain)
	}
	for key, r := range routes {
		if open := l.listeners[key]; open != nil {
			open.setRoute(r)
			continue
		}
		l.listeners[key] = listen(ctx, l.server, r)
	}
	for _, i := range registry.Instruments {
		if i.Dial != "" && l.dialers[i.ID] == nil {
			l.dialers[i.ID] = dial(ctx, l.server, i)
		}
	}
	l.registry = registry
}

// close ends all links; connections go on.
func (l *links) close() {
	for _, open := range l.listeners {
		open.close()
	}
	for _, d := range l.dialers {
		d.close()
	}
}

// listener is one listening address and the instruments behind it.
type listener struct {
	server *Server
	addr   string
	route  atomic.Pointer[route]
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	socket net.Listener
	closed bool

	greeting chan struct{} // a place for every connection whose PROXY header is awaited
}

// listen opens the listener in a goroutine of its own, for ever: an address
// that is in use now may be free later, and the other instruments go on.
func listen(ctx context.Context, s *Server, r route) *listener {
	ctx, cancel := context.WithCancel(ctx)
	l := &listener{server: s, addr: r[0].Listen, cancel: cancel, greeting: make(chan struct{}, proxyPending)}
	l.route.Store(&r)
	l.done.Go(func() { l.run(ctx) })
	return l
}

func (l *listener) setRoute(r route) {
	l.server.setBound(*l.route.Load(), nil)
	l.route.Store(&r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket != nil {
		l.server.setBound(r, l.socket.Addr())
	}
}

func (l *listener) close() {
	l.cancel()
	l.mu.Lock()
	l.closed = true
	if l.socket != nil {
		_ = l.socket.Close()
	}
	l.mu.Unlock()
	l.done.Wait()
	l.server.setBound(*l.route.Load(), nil)
}

func (l *listener) run(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		socket, err := l.bind(ctx)
		if err == nil {
			wait.reset()
			err = l.accept(ctx, socket)
		}
		if ctx.Err() != nil {
			return
		}
		for _, i := range *l.route.Load() {
			l.server.board.status(i).update(func(c *Counters) { c.State, c.Problem = StateBlocked, err.Error() })
		}
		l.server.say.warn("listen:"+l.addr, "cannot listen; trying again for ever: free the port or change `listen`", "address", l.addr, "error", err)
		wait.pause(ctx)
	}
}

func (l *listener) bind(ctx context.Context) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 2, Count: 4}}
	socket, err := config.Listen(ctx, "tcp", l.addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = socket.Close()
		return nil, net.ErrClosed
	}
	l.socket = socket
	r := *l.route.Load()
	l.server.setBound(r, socket.Addr())
	for _, i := range r {
		l.server.board.status(i).update(func(c *Counters) { c.State, c.Problem = StateWaiting, "" })
		announce(l.server.links, LinkEvent{Site: l.server.site, Instrument: i.ID, Event: subjects.EventListening, Address: socket.Addr().String()})
	}
	return socket, nil
}

// accept lets callers in until the socket fails or closes. Running out of
// file descriptors is waited out: the socket is still good.
func (l *listener) accept(ctx context.Context, socket net.Listener) error {
	var wait backoff
	for {
		nc, err := socket.Accept()
		switch {
		case err == nil:
			wait.reset()
			l.let(ctx, nc)
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			l.server.say.warn("accept:"+l.addr, "cannot accept; trying again", "address", l.addr, "error", err)
			wait.pause(ctx)
			if ctx.Err() != nil {
				return err
			}
		}
	}
}

// let brings a caller in, or the balancer in front of it.
func (l *listener) let(ctx context.Context, nc net.Conn) {
	addr, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	if l.route.Load().expectsProxy(addr.Addr()) {
		l.greet(ctx, nc)
		return
	}
	l.admit(ctx, nc)
}

// admit starts the session of a known caller and shuts the door on others.
func (l *listener) admit(ctx context.Context, nc net.Conn) {
	addr, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	i := l.route.Load().find(addr.Addr())
	if i == nil {
		l.refuse(nc, RefusedAddress, "unknown caller refused: add its address to `from` of its instrument")
		return
	}
	c, err := l.server.open(i, nc)
	if err != nil {
		if errors.Is(err, errTooMany) {
			l.server.say.warn("connections:"+i.ID, "connection refused", "instrument", i.ID, "error", err)
			announce(l.server.links, LinkEvent{Site: l.server.site, Instrument: i.ID, Event: subjects.EventRefused, Reason: RefusedConnections, Peer: addr.String()})
		}
		_ = nc.Close()
		return
	}
	go l.server.session(ctx, c)
}

// backoff is the pause before the next try: from a second, doubling to a
// minute, with jitter.
type backoff struct{ next time.Duration }

const (
	firstBackoff = time.Second
	longBackoff  = time.Minute
)

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) pause(ctx context.Context) {
	b.next = min(max(2*b.next, firstBackoff), longBackoff)
	select {
	case <-ctx.Done():
	case <-time.After(jitter(b.next)):
	}
}
