//go:build browser

package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
)

// session is a bridge with real links, and analyzers that talk to it.
type session struct {
	*lab
	server *bridge.Server
	board  *bridge.Board
	url    string
}

const cast = `
instruments:
  - {id: xn1000, name: "Haematology, bench 2", listen: "127.0.0.1:0", protocol: astm}
  - {id: cobas-e411, name: "Immunoassay", listen: "127.0.0.1:0", protocol: astm}
  - {id: bc-6800, name: "Haematology, night lab", listen: "127.0.0.1:0", protocol: hl7}
  - {id: au480, name: "Chemistry, main line", listen: "127.0.0.1:0", protocol: astm, silent_after: 1s}
  - {id: cl-2000i, name: "Immunoassay, ward", listen: "127.0.0.1:0", protocol: astm}
`

func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{lab: newLab(t), board: bridge.NewBoard()}
	registry, err := bridge.Load("cast", []byte(cast), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	s.server = bridge.NewServer(bridge.Config{Site: "main", Store: s.store, Board: s.board, Links: s.bus, Log: quiet(), Grace: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.server.Run(ctx, registry)
	}()
	t.Cleanup(func() { cancel(); <-over })
	for _, i := range registry.Instruments {
		for deadline := time.Now().Add(10 * time.Second); s.server.Addr(i.ID) == nil; {
			if time.Now().After(deadline) {
				t.Fatal("no listener")
			}
		}
	}
	s.config.Snapshot = s.now
	s.handler = web.New(s.config)
	served := httptest.NewServer(s.handler)
	t.Cleanup(served.Close)
	t.Cleanup(served.CloseClientConnections)
	s.url = served.URL
	return s
}

func (s *session) now() bridge.Snapshot {
	out := bridge.Snapshot{At: time.Now(), Site: "main", Build: bridge.Build{Version: "v0.6.0"}, Store: bridge.StoreState{Healthy: true}, Bus: bridge.BusState{Connected: true, Embedded: true}, Instruments: s.board.Snapshot()}
	if free, ok := s.bus.DiskFree(); ok {
		out.Disk = &bridge.DiskState{Free: free}
	}
	for _, st := range s.bus.Stats() {
		out.Streams = append(out.Streams, bridge.StreamState{Name: st.Stream, Messages: st.Messages, Bytes: st.Bytes, MaxBytes: st.MaxBytes})
	}
	return out
}

// say lets an analyzer send a message of its own over a real link.
func (s *session) say(instrument, protocol string, raw string) {
	s.t.Helper()
	p, err := all.Protocols.Build(protocol, codec.Options{Role: codec.RoleInstrument})
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := simulator.Dial(s.server.Addr(instrument).String())(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := p.Send(s.t.Context(), conn, []byte(raw)); err != nil && !errors.Is(err, codec.ErrReject) {
		s.t.Fatal(err)
	}
}

const hl7Message = "MSH|^~\\&|BC-6800|Lab|||20261123083600||ORU^R01|7|P|2.3.1||||||UNICODE\rPID|1||PID-4711||Roe^Jane\rOBR|1||SPEC-0816|00001^Automated Count^99MRC\rOBX|1|NM|6690-2^WBC^LN||9.81|10*9/L|4.00-10.00|N|||F\rOBX|2|NM|789-8^RBC^LN||4.41|10*12/L|3.50-5.50|N|||F\r"

// hold keeps a connection of an instrument open and says bytes on it, each
// after the answer to the one before.
func (s *session) hold(instrument string, bytes ...string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.server.Addr(instrument).String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	for _, out := range bytes {
		if _, err := io.WriteString(c, out); err != nil {
			s.t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			s.t.Fatal(err)
		}
	}
	return c
}

// play makes the laboratory look like one: links that stand, a bad cable, a
// transmission that broke off, one that fell silent.
func (s *session) play() {
	now := time.Now().UTC().Add(-7 * time.Second).Format("20060102150405")
	s.say("xn1000", "astm", message)
	s.stumble("xn1000", "H|\\^&|||XN-1000^00-14^11001|||||||P|E1394-97|"+now+"\rP|1||PID-4712||Doe^Ann\rO|1|SPEC-0817||^^^CBC\rR|1|^^^WBC|11.20|10*3/uL|4.0-10.0|H||F||||20261123083700\rR|2|^^^RBC|4.61|10*6/uL|3.8-5.8|N||F||||20261123083700\rR|3|^^^HGB|8.9|g/dL|12.0-16.0|L||F||||20261399083700\rR|4|^^^PLT|231|10*3/uL|150-400|N||F||||20261123083700\rL|1|N\r")
	s.say("bc-6800", "hl7", hl7Message)
	s.say("au480", "astm", message)
	s.say("cobas-e411", "astm", "H|\\^&|||cobas-e411\rP|1\rQ|1|^SPEC-0900||ALL\rL|1|N\r")
	s.hold("xn1000", "\x05", "\x021H|\\^&\r\x0300\r\n", "\x021H|\\^&\r\x03E5\r\n")
	s.hold("bc-6800")
	s.hold("cobas-e411")
	_ = s.hold("cl-2000i", "\x05", "\x021H|\\^&|||CL-2000i\rP|1\r\x17"+checksum("1H|\\^&|||CL-2000i\rP|1\r\x17")+"\r\n").Close()
	past := make(map[string]bridge.Past)
	for n, id := range []string{"xn1000", "cobas-e411", "bc-6800", "au480", "cl-2000i"} {
		var h bridge.History
		for hour := 1; hour < 24; hour++ {
			at := time.Now().Add(-time.Duration(hour) * time.Hour)
			busy := max(0, 9-(at.Hour()-11)*(at.Hour()-11)/4)
			h.Add(at, uint64(busy*(n+2)+(hour*7+n*3)%5))
		}
		past[id] = bridge.Past{Hours: h}
	}
	s.board.Restore(past)
}

// stumble sends a message in frames of 64 bytes over a bad link: the second
// frame is damaged on the way, and the answer to the third gets lost.
func (s *session) stumble(instrument, raw string) {
	s.t.Helper()
	said := []string{"\x05"}
	for n := 1; raw != ""; n++ {
		text, end := raw[:min(64, len(raw))], "\x17"
		if raw = raw[len(text):]; raw == "" {
			end = "\x03"
		}
		body := fmt.Sprint(n%8) + text + end
		frame := "\x02" + body + checksum(body) + "\r\n"
		switch n {
		case 2:
			said = append(said, "\x02"+strings.Replace(body, "|", "!", 1)+checksum(body)+"\r\n")
		case 3:
			said = append(said, frame)
		}
		said = append(said, frame)
	}
	c := s.hold(instrument, said...)
	if _, err := io.WriteString(c, "\x04"); err != nil {
		s.t.Fatal(err)
	}
	_ = c.Close()
}

// checksum is a frame's (LIS01-A2 §6.3.3.2).
func checksum(text string) string {
	var sum byte
	for _, c := range []byte(text) {
		sum += c
	}
	return fmt.Sprintf("%02X", sum)
}
