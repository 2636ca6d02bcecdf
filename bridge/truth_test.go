package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// row is one row of the truth table in doc.go.
type row struct {
	name string
	// what the store does
	failRaw, failParsed, sick bool
	twice                     bool // the same message again, after the first was stored
	// what the instrument sends and how it is configured
	astm, hl7 string
	options   string
	// what it hears: astm by control character, hl7 by MSA-1 ("" = closed without an answer)
	wantASTM, wantHL7 string
	noASTM, noHL7     bool // the row does not exist for this protocol
	closes            bool // the connection ends after the answer
	// what the streams hold afterwards
	raw, parsed, failed int
	incomplete          int // raw partial that the hang-up after a NAK leaves
	reason              string
}

const (
	goodASTM = "H|\\^&|||bench^1.0|||||||P|1|20261123083600\rP|1||PATT71||Truthman^Odile||19310809\rO|1|SPCT71||^^^GLU|R\rR|1|^^^GLU|5.9|mmol/L||N||F\rL|1|N\r"
	goodHL7  = "MSH|^~\\&|BENCH|LAB|HOST|LAB|20261123083600||ORU^R01^ORU_R01|77|P|2.5.1\rPID|1||PATT72||Truthman^Odile||19310809\rOBR|1||SPCT72|GLU\rOBX|1|NM|GLU||5.9|mmol/L|||||F\r"
	// no delimiters at all: not a message, but the link frames it
	badASTM = "H||\\^&|||bench\rL|1|N\r"
	// no MSH-10: cannot be correlated
	noControlID = "MSH|^~\\&|BENCH|LAB|HOST|LAB|20261123083600||ORU^R01|\rOBX|1|NM|GLU||5.9\r"
	// MSH with a control id and a body that no parser takes is hard to make by
	// hand: a batch trailer alone has no MSH at all
	noMSH = "BTS|0\r"
)

func truthTable() []row {
	return []row{
		{name: "stored", astm: goodASTM, hl7: goodHL7, wantASTM: "ACK", wantHL7: "AA", raw: 1, parsed: 1},
		{name: "stored, a repeat", twice: true, astm: goodASTM, hl7: goodHL7, wantASTM: "ACK", wantHL7: "AA", raw: 2, parsed: 1},
		{name: "stored, enhanced mode", noASTM: true, hl7: strings.Replace(goodHL7, "|P|2.5.1", "|P|2.5.1|||AL|NE", 1), wantHL7: "CA", raw: 1, parsed: 1},
		{name: "raw stored, parsed not", failParsed: true, astm: goodASTM, hl7: goodHL7, wantASTM: "NAK", wantHL7: "", raw: 1, incomplete: 1},
		{name: "parser fails", noHL7: true, astm: badASTM, wantASTM: "ACK", raw: 1, failed: 1, reason: "unparsable"},
		{name: "raw not stored", failRaw: true, astm: goodASTM, hl7: goodHL7, wantASTM: "NAK", wantHL7: ""},
		{name: "raw not stored, reject", failRaw: true, noASTM: true, hl7: goodHL7, options: ", store_failure: reject", wantHL7: "AR"},
		{name: "raw not stored, reject, enhanced", failRaw: true, noASTM: true, hl7: strings.Replace(goodHL7, "|P|2.5.1", "|P|2.5.1|||AL|NE", 1), options: ", store_failure: reject", wantHL7: "CR"},
		{
			name: "over the limit", options: ", max_message: 1KiB, max_frame: 1KiB",
			astm: strings.Replace(goodASTM, "O|1", "C|1|I|"+strings.Repeat("x", 600)+"\rC|2|I|"+strings.Repeat("y", 600)+"\rO|1", 1),
			hl7:  goodHL7 + "NTE|1||" + strings.Repeat("x", 2000) + "\r", wantASTM: "NAK", wantHL7: "AR", closes: true, failed: 1, reason: "oversize",
		},
		{name: "no control id", noASTM: true, hl7: noControlID, wantHL7: "AR", raw: 1, failed: 1, reason: "unparsable"},
		{name: "no MSH", noASTM: true, hl7: noMSH, wantHL7: "AR", raw: 1, failed: 1},
		{name: "store unhealthy", sick: true, astm: goodASTM, hl7: goodHL7, wantASTM: "NAK", wantHL7: ""},
	}
}

// faulty stands before a real or an imagined bus and fails as the row says.
type faulty struct {
	bridge.Publisher
	row row
}

var errInjected = errors.New("injected: no responders")

func (f faulty) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if f.row.failRaw && p.Stream == subjects.StreamRaw || f.row.failParsed && p.Stream == subjects.StreamParsed {
		return bridge.Receipt{}, errInjected
	}
	return f.Publisher.Publish(ctx, p)
}

func (f faulty) Healthy() error {
	if f.row.sick {
		return errInjected
	}
	return f.Publisher.Healthy()
}

// census counts what the streams hold.
type census func() (raw, parsed, failed int, reasons string)

func TestTruthTable(t *testing.T) {
	for _, tt := range truthTable() {
		for _, protocol := range []string{"astm", "hl7"} {
			if protocol == "astm" && tt.noASTM || protocol == "hl7" && tt.noHL7 {
				continue
			}
			t.Run(tt.name+"/"+protocol+"/imagined", func(t *testing.T) {
				b := &bus{}
				holds(t, tt, protocol, b, func() (raw, parsed, failed int, reasons string) {
					return count(b.in(subjects.StreamRaw), b.in(subjects.StreamParsed))
				})
			})
			t.Run(tt.name+"/"+protocol+"/jetstream", func(t *testing.T) {
				log, _ := quiet()
				b, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 1 << 30, Log: log})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { onbus.Hear(b.JetStream()); _ = b.Close(context.Background()) })
				holds(t, tt, protocol, b, func() (raw, parsed, failed int, reasons string) {
					return count(stream(t, b.JetStream(), subjects.StreamRaw), stream(t, b.JetStream(), subjects.StreamParsed))
				})
			})
		}
	}
}

func count(rawStream, derived []bridge.Publication) (raw, parsed, failed int, reasons string) {
	for _, p := range derived {
		if strings.HasPrefix(p.Subject, "lab.failed.") {
			failed++
			reasons += p.Subject[strings.LastIndexByte(p.Subject, '.')+1:]
		} else {
			parsed++
		}
	}
	return len(rawStream), parsed, failed, reasons
}

// stream reads a real stream.
func stream(t *testing.T, js jetstream.JetStream, name string) []bridge.Publication {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []bridge.Publication
	for seq := uint64(1); seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bridge.Publication{Subject: m.Subject, Body: m.Data})
	}
	return out
}

// holds plays one row over a real socket and compares.
func holds(t *testing.T, tt row, protocol string, publisher bridge.Publisher, counts census) {
	t.Helper()
	log, _ := quiet()
	links := &linkLog{more: make(chan struct{}, 1)}
	server := bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(faulty{publisher, tt}, 300*time.Millisecond), Board: bridge.NewBoard(), Links: links, Log: log, Grace: time.Second,
	})
	r, err := bridge.Load("truth", fmt.Appendf(nil, "instruments:\n  - {id: i1, listen: '127.0.0.1:0', protocol: %s%s}\n", protocol, tt.options), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Run(ctx, r) })
	defer wg.Wait()
	defer cancel()
	links.await(t, "i1.listening")
	nc, err := net.Dial("tcp", server.Addr("i1").String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	p := newPeer(nc)
	times := 1
	if tt.twice {
		times = 2
	}
	for range times {
		if protocol == "astm" {
			if got := p.sendASTM(tt.astm); got != tt.wantASTM {
				t.Errorf("the instrument hears %q, want %q", got, tt.wantASTM)
			}
		} else if got := p.sendHL7(tt.hl7); got != tt.wantHL7 {
			t.Errorf("the instrument hears %q, want %q", got, tt.wantHL7)
		}
	}
	if tt.closes || protocol == "hl7" && tt.wantHL7 == "" {
		p.hungUp(t)
	}
	cancel()
	wg.Wait()
	raw, parsed, failed, reasons := counts()
	if protocol == "astm" {
		raw -= tt.incomplete
	}
	if raw != tt.raw || parsed != tt.parsed || failed != tt.failed {
		t.Errorf("stored %d raw, %d parsed, %d failed (%s); want %d, %d, %d", raw, parsed, failed, reasons, tt.raw, tt.parsed, tt.failed)
	}
	if tt.reason != "" && reasons != tt.reason {
		t.Errorf("failed as %q, want %q", reasons, tt.reason)
	}
}

// sendASTM plays one session, a record in each frame, and returns what the
// last frame heard; a refusal ends it.
func (p *peer) sendASTM(message string) string {
	if got := p.control("\x05"); got != "ACK" {
		return got
	}
	answer := ""
	for n, record := range strings.SplitAfter(strings.TrimSuffix(message, "\r"), "\r") {
		text := fmt.Sprintf("%d%s\x03", (n+1)%8, record)
		sum := byte(0)
		for i := range len(text) {
			sum += text[i]
		}
		if answer = p.control(fmt.Sprintf("\x02%s%02X\r\n", text, sum)); answer != "ACK" {
			return answer
		}
	}
	_, _ = io.WriteString(p, "\x04")
	return answer
}

func (p *peer) control(send string) string {
	_, _ = io.WriteString(p, send)
	b, err := p.r.ReadByte()
	switch {
	case err != nil:
		return "closed"
	case b == 0x06:
		return "ACK"
	case b == 0x15:
		return "NAK"
	}
	return fmt.Sprintf("%02x", b)
}

// sendHL7 sends one block and returns MSA-1 of the answer, "" when the
// connection closes instead. An answer that is positive must carry the control
// id, and one without a control id must not be positive.
func (p *peer) sendHL7(message string) string {
	_, _ = io.WriteString(p, "\x0b"+message+"\x1c\r")
	block, err := p.r.ReadString(0x1c)
	if err != nil {
		return ""
	}
	_, _ = p.r.ReadByte()
	s := bufio.NewScanner(strings.NewReader(strings.ReplaceAll(block, "\r", "\n")))
	for s.Scan() {
		if f := strings.Split(s.Text(), "|"); f[0] == "MSA" && len(f) > 2 {
			if known := strings.Contains(message, "|77|"); known != (f[2] == "77") {
				return "MSA-2 " + f[2]
			}
			return f[1]
		}
	}
	return "no MSA"
}

// The rows of what ends before its message did: EOT after an ETB frame, and a
// hang-up in the middle.
func TestTruthTableIncomplete(t *testing.T) {
	w := startAll(t, "instruments:\n  - {id: i1, listen: '127.0.0.1:0', protocol: astm}\n")
	p := w.call("i1")
	if got := p.control("\x05"); got != "ACK" {
		t.Fatal(got)
	}
	if got := p.control("\x021H|\\^&\r\x17" + checksum("1H|\\^&\r\x17") + "\r\n"); got != "ACK" {
		t.Fatal(got)
	}
	_, _ = io.WriteString(p, "\x04")
	until(t, "the truncated message kept", func() bool { return w.counters("i1").Failed[subjects.ReasonIncomplete] == 1 })
	_, _ = io.WriteString(p, "\x05")
	_, _ = p.r.ReadByte()
	_, _ = io.WriteString(p, "\x021H|\\^&|||half a frame")
	_ = p.Close()
	w.links.await(t, "i1.disconnected")
	raw := w.bus.in(subjects.StreamRaw)
	if len(raw) == 0 || string(raw[0].Body) != "H|\\^&\r" {
		t.Errorf("raw partial %q", raw)
	}
}

func checksum(text string) string {
	sum := byte(0)
	for i := range len(text) {
		sum += text[i]
	}
	return fmt.Sprintf("%02X", sum)
}
