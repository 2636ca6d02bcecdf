package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if code := hearing(t.Context(), []string{"demo", "--for", "2s", "--rate", "5/s", "--http", "127.0.0.1:0"}, strings.NewReader(""), &out, &out); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	for _, want := range []string{"haema-1", "chem-2", "haema-3", "immuno-4", "trouble-5", "look:  ", "assaybus tail --nats nats://127.0.0.1:", "exactly once for consumers"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q\n%s", want, out.String())
		}
	}
}

// The check at the end of the demo can fail: an analyzer that was told AA by
// somebody who stores nothing is a custody broken.
func TestDemoFindsWhatIsLost(t *testing.T) {
	d := demo{out: newLineWriter(io.Discard), http: "none", nats: "none"}
	s, err := d.open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.closeBus() })
	p := &player{id: "x", calls: true, ledger: simulator.NewLedger()}
	protocol, err := all.Protocols.Build("hl7", codec.Options{Role: codec.RoleInstrument})
	if err != nil {
		t.Fatal(err)
	}
	i := &simulator.Instrument{
		Protocol: protocol, Ledger: p.ledger, Log: privacytest.Logger(nil), Next: simulator.NewSource([][]byte{[]byte("MSH|^~\\&|A|B|C|D|20261123||ORU^R01|{n}|P|2.3\rOBX|1|NM|GLU||5\r")}, 1, 1).Next,
		Connect: func(ctx context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { // a host that lies
				_ = protocol.Serve(ctx, far, liar{})
				_ = far.Close()
			}()
			return near, nil
		},
	}
	if err := i.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.verify(s, []*player{p}); !errors.Is(err, errCustody) {
		t.Errorf("%v, want %v", err, errCustody)
	}
}

type liar struct{}

func (liar) Receive(context.Context, codec.Delivery) error     { return nil }
func (liar) Incomplete(context.Context, codec.Delivery, error) {}
func (liar) Ready() error                                      { return nil }

// A raw message that is not what its digest says is a custody broken too.
func TestDemoFindsWhatIsDamaged(t *testing.T) {
	d := demo{out: newLineWriter(io.Discard), http: "none", nats: "none"}
	s, err := d.open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.closeBus() })
	_, err = s.bus.Publish(t.Context(), bridge.Publication{
		Stream: subjects.StreamRaw, Subject: subjects.Raw("demo", "x"), ID: "1", Body: []byte("not what was sent"),
		Header: map[string]string{subjects.HeaderDigest: bridge.Digest([]byte("what was sent"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.verify(s, nil); !errors.Is(err, errCustody) {
		t.Errorf("%v, want %v", err, errCustody)
	}
}

// A reload file that is not there is no change; a service whose HTTP port is
// taken leaves nothing open.
func TestServiceLeavesNothingOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	folder := t.TempDir()
	d := demo{out: newLineWriter(io.Discard), http: l.Addr().String(), nats: "none"}
	if _, err := d.open(t.Context(), folder); err == nil || !strings.Contains(privacytest.Error(err), "ASSAYBUS_HTTP") {
		t.Fatalf("%v, want an error that names the setting", err)
	}
	d.http = "none"
	s, err := d.open(t.Context(), folder) // the folder's lock is free again
	if err != nil {
		t.Fatal(err)
	}
	_ = s.closeBus()
	w := watcher{path: folder + "/none.yaml", log: privacytest.Logger(nil)}
	if w.changed() {
		t.Error("a file that is not there has changed")
	}
}
