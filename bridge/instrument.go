package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Instrument is one analyzer as the instruments file describes it. It is
// immutable; a reload makes new ones.
type Instrument struct {
	ID             string
	Name           string
	Listen         string         // host:port where it calls us; empty = we call it
	Dial           string         // host:port where we call it
	From           []netip.Prefix // where it may call from; empty = anywhere
	ProxyFrom      []netip.Prefix // balancers, whose connections must begin with a PROXY v2 header
	Protocol       codec.Protocol // built for this instrument's options
	MaxConnections int            // connections at once
	IdleTimeout    time.Duration  // silence after which a connection is closed; 0 = never
	SilentAfter    time.Duration  // without a message for so long it is silent; 0 = never
	Dedupe         bool           // byte-identical repeats are one message for consumers
	Reject         bool           // tell the instrument when its message could not be parsed
	Options        codec.Options  // what Protocol was built with

	spec spec
	tls  *credentials // nil without TLS
}

// same reports whether a reload left the instrument as it was.
func (i *Instrument) same(other *Instrument) bool {
	return reflect.DeepEqual(i.spec, other.spec)
}

// listenKey names the listener that instruments share. Port 0 is never
// shared: every instrument gets a free port of its own.
func (i *Instrument) listenKey() string {
	if _, port, err := net.SplitHostPort(i.Listen); err == nil && port == "0" {
		return i.Listen + "#" + i.ID
	}
	return i.Listen
}

// Registry is all instruments of one file.
type Registry struct {
	Instruments []*Instrument // in the order of the file
}

// Instrument finds an instrument by id; nil when there is none.
func (r *Registry) Instrument(id string) *Instrument {
	for _, i := range r.Instruments {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// listeners groups the instruments that call us by listener.
func (r *Registry) listeners() map[string]route {
	routes := make(map[string]route)
	for _, i := range r.Instruments {
		if i.Listen != "" {
			routes[i.listenKey()] = append(routes[i.listenKey()], i)
		}
	}
	return routes
}

// route is the instruments behind one listener.
type route []*Instrument

// find is the instrument that calls from addr: the longest matching prefix of
// any From wins, an instrument without From takes whoever is left. nil is an
// unknown caller.
func (r route) find(addr netip.Addr) *Instrument {
	addr = addr.Unmap()
	var found *Instrument
	longest := -1
	for _, i := range r {
		if len(i.From) == 0 && longest < 0 && found == nil {
			found = i
		}
		for _, p := range i.From {
			if p.Contains(addr) && p.Bits() > longest {
				found, longest = i, p.Bits()
			}
		}
	}
	return found
}

// clash is why two instruments cannot be told apart on one listener.
func (r route) clash() error {
	if len(r) == 0 {
		return nil
	}
	if err := r.sameListener(); err != nil {
		return err
	}
	seen := make(map[netip.Prefix]string)
	anyone := ""
	for _, i := range r {
		if len(i.From) == 0 {
			if anyone != "" {
				return fmt.Errorf("instruments %q and %q share listener %s and both take any caller: give one of them `from`", anyone, i.ID, i.Listen)
			}
			anyone = i.ID
		}
		for _, p := range i.From {
			if other, taken := seen[p]; taken {
				return fmt.Errorf("instruments %q and %q share listener %s and the addresses %s: give them different `from`", other, i.ID, i.Listen, p)
			}
			seen[p] = i.ID
		}
	}
	return nil
}

// portClash is two listeners that want the same port, one on every address.
func portClash(instruments []*Instrument) error {
	for n, a := range instruments {
		for _, b := range instruments[:n] {
			_, portA, errA := net.SplitHostPort(a.Listen)
			_, portB, errB := net.SplitHostPort(b.Listen)
			if errA != nil || errB != nil || portA != portB || portA == "0" || a.Listen == b.Listen {
				continue
			}
			if wildcardHost(a.Listen) || wildcardHost(b.Listen) {
				return fmt.Errorf("instruments %q (%s) and %q (%s) clash on port %s: use one address for both, or two ports", b.ID, b.Listen, a.ID, a.Listen, portA)
			}
		}
	}
	return nil
}

func wildcardHost(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	return host == "" || strings.Trim(host, "0.:") == ""
}
