package bridge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestLoad(t *testing.T) {
	r := registry(t, `
defaults: {tls: off, max_message: 1MiB, message_timeout: 20s, protocol: lines, max_connections: 3}
instruments:
  - id: xn1000
    name: haematology, bench 2
    listen: 0.0.0.0:5001
    from: [10.1.2.0/24, 10.9.9.9]
    timezone: Africa/Harare
  - {id: cobas, dial: 10.1.2.30:4000, quirks: [crooked], max_connections: 1, idle_timeout: 90m, unparsable: reject}
`)
	a, b := r.Instrument("xn1000"), r.Instrument("cobas")
	if a == nil || b == nil || len(r.Instruments) != 2 {
		t.Fatalf("instruments %v", r.Instruments)
	}
	if a.Options.MaxMessage != 1<<20 || a.Options.MessageTimeout != 20*time.Second || a.MaxConnections != 3 || !a.Dedupe {
		t.Errorf("defaults not in force: %+v", a)
	}
	if b.MaxConnections != 1 || b.IdleTimeout != 90*time.Minute || !b.Reject || !b.Options.Has("crooked") {
		t.Errorf("the instrument does not overrule the defaults: %+v", b)
	}
	if a.Options.Location.String() != "Africa/Harare" || b.Options.Location.String() != "UTC" {
		t.Errorf("zones %v and %v", a.Options.Location, b.Options.Location)
	}
	if len(a.From) != 2 || !a.From[1].Contains(netip.MustParseAddr("10.9.9.9")) {
		t.Errorf("from %v", a.From)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "no instruments"},
		{"not yaml", "instruments: [", "instruments.yaml:1:"},
		{"unknown top key", "instrumets: []", `instruments.yaml:1:1: unknown field "instrumets"`},
		{"unknown key", "instruments:\n  - id: a\n    listn: x:1\n", `instruments.yaml:3:5: unknown field "listn"`},
		{"unknown default", "defaults: {max_mesage: 1}\ninstruments: []", `unknown field "max_mesage"`},
		{"duplicate key", "instruments:\n  - {id: a, id: b, listen: 'x:1'}\n", "instruments.yaml:2:"},
		{"no id", "instruments:\n  - {listen: ':1'}", "without an id"},
		{"duplicate id", "defaults: {tls: off}\ninstruments:\n  - {id: a, listen: ':1', protocol: lines}\n  - {id: a, listen: ':2', protocol: lines}", `instruments.yaml:4:5: instrument id "a" stands twice`},
		{"no address", "instruments:\n  - {id: a}", "either `listen`"},
		{"two addresses", "instruments:\n  - {id: a, listen: ':1', dial: 'x:2'}", "either `listen`"},
		{"from with dial", "instruments:\n  - {id: a, dial: 'x:2', from: [10.0.0.1]}", "are for instruments that call us"},
		{"bad address", "instruments:\n  - {id: a, listen: '5001'}", "host:port"},
		{"bad from", "instruments:\n  - {id: a, listen: ':1', from: [bench]}", "10.1.2.0/24"},
		{"bad zone", "instruments:\n  - {id: a, listen: ':1', timezone: Mars/Base}", "Africa/Harare"},
		{"two commas", "instruments:\n  - {id: a, listen: '127.0.0.1:1', decimal_comma: true, thousands_comma: true}", "either decimal_comma or thousands_comma"},
		{"bad fallback", "instruments:\n  - {id: a, listen: '127.0.0.1:1', charset_fallback: klingon}", "unknown charset_fallback"},
		{"bad size", "instruments:\n  - {id: a, listen: ':1', max_message: big}", "not a size"},
		{"size over the bus", "instruments:\n  - {id: a, listen: ':1', max_message: 64MiB}", "1KiB to 15MiB"},
		{"negative timeout", "instruments:\n  - {id: a, listen: ':1', message_timeout: -5s}", "not a duration"},
		{"no connections", "instruments:\n  - {id: a, listen: ':1', max_connections: 0}", "at least 1"},
		{"unknown protocol", "instruments:\n  - {id: a, listen: ':1', protocol: astn}", "take auto, lines"},
		{"unknown quirk", "instruments:\n  - {id: a, listen: ':1', protocol: lines, quirks: [bent]}", "crooked"},
		{"unknown word", "instruments:\n  - {id: a, listen: ':1', ack_mode: polite}", "auto original"},
		{"reject on auto", "instruments:\n  - {id: a, listen: ':1', unparsable: reject}", "needs a protocol"},
		{"same port, one on all addresses", "defaults: {tls: off}\ninstruments:\n  - {id: a, listen: '0.0.0.0:5', protocol: lines}\n  - {id: b, listen: '10.0.0.1:5', protocol: lines}", "clash on port 5"},
		{"two take anyone", "defaults: {tls: off}\ninstruments:\n  - {id: a, listen: ':5', protocol: lines}\n  - {id: b, listen: ':5', protocol: lines}", "both take any caller"},
		{"same addresses", "defaults: {tls: off}\ninstruments:\n  - {id: a, listen: ':5', from: [10.0.0.1], protocol: lines}\n  - {id: b, listen: ':5', from: [10.0.0.1/32], protocol: lines}", "the addresses 10.0.0.1/32"},
		{"two documents", "instruments: []\n---\ninstruments: []\n", "no instruments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bridge.Load("instruments.yaml", []byte(tt.text), protocols())
			if err == nil || !strings.Contains(privacytest.Error(err), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}
