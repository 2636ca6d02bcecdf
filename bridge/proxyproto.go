package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// The header of the PROXY protocol version 2, section 2.2: a signature,
// version and command, family and transport, the length of what follows.
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = len(proxySignature) + 4
	proxyMost      = 2048 // addresses and all TLVs that a balancer may add
	proxyPending   = 128  // headers that a listener awaits at once
)

var errProxy = errors.New("no PROXY protocol v2 header")

// readProxy reads a header from r, and not a byte more. The address is that of
// the caller behind the balancer; it is zero when the balancer itself calls
// (LOCAL, its health check) or does not know.
func readProxy(r io.Reader) (netip.AddrPort, error) {
	var none netip.AddrPort
	var fixed [proxyFixed]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return none, fmt.Errorf("%w: %w", errProxy, err)
	}
	kind, family := fixed[12], fixed[13]
	size := int(binary.BigEndian.Uint16(fixed[14:]))
	switch {
	case string(fixed[:12]) != proxySignature:
		return none, errProxy
	case kind != 0x20 && kind != 0x21:
		return none, fmt.Errorf("%w: version and command %#x", errProxy, kind)
	case size > proxyMost:
		return none, fmt.Errorf("%w: %d bytes long, at most %d are taken", errProxy, size, proxyMost)
	}
	rest := make([]byte, size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return none, fmt.Errorf("%w: cut short: %w", errProxy, err)
	}
	if kind == 0x20 {
		return none, nil
	}
	switch family {
	case 0x00: // unspecified: the balancer does not know
		return none, nil
	case 0x11: // TCP over IPv4
		return proxySource(rest, 4)
	case 0x21: // TCP over IPv6
		return proxySource(rest, 16)
	}
	return none, fmt.Errorf("%w: family and transport %#x, TCP over IPv4 or IPv6 is taken", errProxy, family)
}

// proxySource reads the source of an address block: source, destination, and
// their ports.
func proxySource(block []byte, size int) (netip.AddrPort, error) {
	if len(block) < 2*size+4 {
		return netip.AddrPort{}, fmt.Errorf("%w: addresses cut short", errProxy)
	}
	addr, _ := netip.AddrFromSlice(block[:size])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(block[2*size:])), nil
}

// forwarded is a connection through a balancer: its peer is the caller.
type forwarded struct {
	net.Conn
	from net.Addr
}

// RemoteAddr is the caller behind the balancer.
func (f forwarded) RemoteAddr() net.Addr { return f.from }

// expectsProxy tells whether callers from addr are the balancer.
func (r route) expectsProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(r[0].ProxyFrom, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// greet reads the header of a balancer's connection in a goroutine of its own
// and admits the caller that it names.
func (l *listener) greet(ctx context.Context, nc net.Conn) {
	select {
	case l.greeting <- struct{}{}:
	default:
		l.refuse(nc, RefusedProxy, fmt.Sprintf("caller refused: %d connections of balancers have sent no PROXY protocol header yet", proxyPending))
		return
	}
	l.done.Go(func() {
		defer func() { <-l.greeting }()
		stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
		defer stop()
		_ = nc.SetReadDeadline(time.Now().Add(l.server.bounds.greeting))
		from, err := readProxy(nc)
		if err != nil {
			l.refuse(nc, RefusedProxy, fmt.Sprintf("caller refused: %v: check `proxy_from` and that the balancer sends version 2", err))
			return
		}
		_ = nc.SetReadDeadline(time.Time{})
		if from.IsValid() {
			nc = forwarded{nc, net.TCPAddrFromAddrPort(from)}
		}
		l.admit(ctx, nc)
	})
}

// refuse shuts the door on a caller that belongs to no instrument.
func (l *listener) refuse(nc net.Conn, reason, message string) {
	addr, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	defer func() { _ = nc.Close() }()
	l.server.board.refuseCaller(reason)
	l.server.say.warn("caller:"+reason+addr.Addr().String(), message, "address", addr.Addr(), "listener", l.addr)
	announce(l.server.links, LinkEvent{Site: l.server.site, Event: subjects.EventRefused, Reason: reason, Peer: addr.String(), Address: l.addr})
}

// sameListener is why two instruments cannot share a listener although they
// can be told apart: TLS and PROXY come before anybody is known.
func (r route) sameListener() error {
	for _, i := range r[1:] {
		if i.spec.Options.TLS != r[0].spec.Options.TLS {
			return fmt.Errorf("instruments %q and %q share listener %s but not `tls`: write the same for both", r[0].ID, i.ID, i.Listen)
		}
		if !slices.Equal(i.ProxyFrom, r[0].ProxyFrom) {
			return fmt.Errorf("instruments %q and %q share listener %s but not `proxy_from`: write the same for both", r[0].ID, i.ID, i.Listen)
		}
	}
	return nil
}
