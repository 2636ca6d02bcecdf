package bridge_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeader is a version 2 header with the given command and family.
func proxyHeader(command, family byte, block []byte) []byte {
	b := append([]byte(proxySignature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return append(b, block...)
}

// proxied is the header of a connection from source.
func proxied(source string) []byte {
	a := netip.MustParseAddrPort(source)
	family := byte(0x11)
	if a.Addr().Is6() {
		family = 0x21
	}
	block := append(a.Addr().AsSlice(), a.Addr().AsSlice()...) // the destination is of no interest
	block = binary.BigEndian.AppendUint16(block, a.Port())
	return proxyHeader(0x21, family, binary.BigEndian.AppendUint16(block, 5001))
}

func TestReadProxy(t *testing.T) {
	withTLV := proxied("10.1.2.3:4000")
	withTLV[15] += 7
	withTLV = append(withTLV, "\x03\x00\x04abcd"...)
	for _, tt := range []struct {
		name string
		text []byte
		want string // "" = none
		err  string
	}{
		{"ipv4", proxied("10.1.2.3:4000"), "10.1.2.3:4000", ""},
		{"ipv6", proxied("[2001:db8::1]:4000"), "[2001:db8::1]:4000", ""},
		{"ipv4 in ipv6", proxied("[::ffff:10.1.2.3]:4000"), "10.1.2.3:4000", ""},
		{"with a tlv", withTLV, "10.1.2.3:4000", ""},
		{"local", proxyHeader(0x20, 0x00, nil), "", ""},
		{"local with addresses", proxyHeader(0x20, 0x11, make([]byte, 12)), "", ""},
		{"unknown family", proxyHeader(0x21, 0x00, nil), "", ""},
		{"udp", proxyHeader(0x21, 0x12, make([]byte, 12)), "", "0x12"},
		{"unix socket", proxyHeader(0x21, 0x31, make([]byte, 216)), "", "0x31"},
		{"version 1", []byte("PROXY TCP4 10.1.2.3 10.1.2.4 4000 5001\r\n"), "", "no PROXY protocol v2 header"},
		{"version 3", proxyHeader(0x31, 0x11, make([]byte, 12)), "", "0x31"},
		{"command", proxyHeader(0x22, 0x11, make([]byte, 12)), "", "0x22"},
		{"addresses cut short", proxyHeader(0x21, 0x11, make([]byte, 11)), "", "cut short"},
		{"hung up", proxied("10.1.2.3:4000")[:20], "", "cut short"},
		{"nothing", nil, "", "EOF"},
		{"endless", proxyHeader(0x21, 0x11, make([]byte, 2049)), "", "at most 2048"},
		{"hl7", []byte("\x0bMSH|^~\\&|ANALYZER"), "", "no PROXY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := bytes.NewReader(append(bytes.Clone(tt.text), "what follows"...))
			got, err := bridge.ReadProxy(iotest.OneByteReader(r))
			if tt.name == "hung up" || tt.name == "nothing" {
				got, err = bridge.ReadProxy(bytes.NewReader(tt.text))
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(privacytest.Error(err), tt.err) {
					t.Errorf("error %v, want it to say %q", err, tt.err)
				}
				return
			}
			if err != nil || got.IsValid() != (tt.want != "") || got.IsValid() && got.String() != tt.want {
				t.Errorf("got %v, %v; want %q", got, err, tt.want)
			}
			if r.Len() != len("what follows") {
				t.Errorf("%d bytes are left for the protocol, want %d", r.Len(), len("what follows"))
			}
		})
	}
}

func FuzzReadProxy(f *testing.F) {
	f.Add(proxied("10.1.2.3:4000"))
	f.Add(proxyHeader(0x20, 0, nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		codectest.Ends(t)
		r := bytes.NewReader(text)
		a, err := bridge.ReadProxy(r)
		if used := len(text) - r.Len(); used > 16+2048 || err == nil && used < 16 {
			t.Errorf("%d bytes used, error %v", used, err)
		}
		if err != nil && a.IsValid() {
			t.Errorf("address %v with error %v", a, err)
		}
	})
}

// Behind a balancer `from` decides by the address in the header.
func TestProxyDecidesFrom(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', from: [10.1.2.0/24, '2001:db8::/32'], proxy_from: [127.0.0.1], protocol: lines}\n")
	for n, source := range []string{"10.1.2.3:4000", "[2001:db8::1]:4000"} {
		p := w.call("a1")
		_, _ = p.Write(proxied(source))
		p.say(t, fmt.Sprint("WBC ", n), "+")
		if got := w.bus.in(subjects.StreamRaw)[n].Header[subjects.HeaderPeer]; got != source {
			t.Errorf("peer %q, want %q", got, source)
		}
	}
	unknown := w.call("a1")
	_, _ = unknown.Write(proxied("10.9.9.9:4000"))
	unknown.hungUp(t)
	probe := w.call("a1") // the balancer's health check is the balancer's call
	_, _ = probe.Write(proxyHeader(0x20, 0, nil))
	probe.hungUp(t)
	plain := w.call("a1")
	_, _ = plain.Write([]byte("WBC without a header\n"))
	plain.hungUp(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if got := w.board.Callers(); got[bridge.RefusedAddress] != 2 || got[bridge.RefusedProxy] != 1 {
		t.Errorf("refused %v, want 2 for the address and 1 for the header", got)
	}
}

// Where no balancer is configured its header is no way in.
func TestProxyHeaderFromAStranger(t *testing.T) {
	w := startAll(t, `instruments:
  - {id: a1, listen: '127.0.0.1:0', from: [127.0.0.1]}
  - {id: b1, listen: '127.0.0.1:0', from: [10.1.2.3], proxy_from: [10.9.9.9]}
`)
	p := w.call("a1")
	_, _ = p.Write(append(proxied("10.1.2.3:4000"), "\x0bMSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.3.1\r\x1c\r"...))
	p.hungUp(t)
	p = w.call("b1")
	_, _ = p.Write(proxied("10.1.2.3:4000"))
	p.hungUp(t)
	w.links.await(t, "a1.disconnected", `"reason":"protocol"`)
	if got := w.board.Callers()[bridge.RefusedAddress]; got != 1 {
		t.Errorf("%d callers refused for their address, want 1", got)
	}
	if got := w.counters("a1").Refused[bridge.RefusedProtocol]; got != 1 {
		t.Errorf("%d refused for the protocol, want 1", got)
	}
}

// A balancer that says nothing holds neither the door nor the shutdown.
func TestProxyHeaderHasADeadline(t *testing.T) {
	const text = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', proxy_from: [127.0.0.0/8], protocol: lines}\n"
	w := startWith(t, registry(t, text), func(s *bridge.Server) { bridge.Hurry(s, 50*time.Millisecond, time.Second) })
	w.call("a1").hungUp(t)
	if got := w.board.Callers()[bridge.RefusedProxy]; got != 1 {
		t.Errorf("%d refused, want 1", got)
	}

	w = start(t, text)
	silent := w.call("a1")
	p := w.call("a1")
	_, _ = p.Write(proxied("10.1.2.3:4000"))
	p.say(t, "WBC", "+")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	silent.hungUp(t)
}

// More silent connections of a balancer than have places are refused at once.
func TestProxyPlacesAreBounded(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', proxy_from: [127.0.0.1], protocol: lines}\n")
	for range 129 {
		w.call("a1")
	}
	w.links.await(t, "lab.link.main._.refused", `"reason":"proxy"`)
	if got := w.board.Callers()[bridge.RefusedProxy]; got != 1 {
		t.Errorf("%d refused, want the one too many", got)
	}
}

// With TLS behind a balancer that passes it on, the header comes first.
func TestProxyBeforeTLS(t *testing.T) {
	p := newPKI(t)
	cert, key := p.pair("bridge")
	w := start(t, fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', from: [10.1.2.3], proxy_from: [127.0.0.1], protocol: lines, tls: {cert: '%s', key: '%s'}}\n", cert, key))
	plain := w.call("a1")
	_, _ = plain.Write(proxied("10.1.2.3:4000"))
	tlsPeer := newPeer(tlsClient(plain, p))
	tlsPeer.say(t, "WBC", "+")
	if got := w.bus.in(subjects.StreamRaw)[0].Header[subjects.HeaderPeer]; got != "10.1.2.3:4000" {
		t.Errorf("peer %q", got)
	}
}

func TestProxySettings(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"  - {id: a, dial: '127.0.0.1:5', proxy_from: [10.0.0.1]}", "are for instruments that call us"},
		{"  - {id: a, listen: '127.0.0.1:5', proxy_from: [balancer]}", "`proxy_from` takes addresses"},
		{"  - {id: a, listen: '127.0.0.1:5', from: [10.0.0.1]}\n  - {id: b, listen: '127.0.0.1:5', proxy_from: [10.0.0.9]}", "instruments.yaml:4:5: instruments \"a\" and \"b\" share listener 127.0.0.1:5 but not `proxy_from`"},
	} {
		if _, err := bridge.Load("instruments.yaml", []byte("defaults: {protocol: lines}\ninstruments:\n"+tt.text), protocols()); err == nil || !strings.Contains(privacytest.Error(err), tt.want) {
			t.Errorf("got %v, want it to say %q", err, tt.want)
		}
	}
}
