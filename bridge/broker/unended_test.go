package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// unended is a laboratory with one instrument that sends no L records.
type unended struct {
	t      *testing.T
	bus    *broker.Bus
	sick   atomic.Bool
	server *bridge.Server
	cancel context.CancelFunc
	over   chan error
}

var errSick = errors.New("injected: no room")

func (u *unended) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if u.sick.Load() {
		return bridge.Receipt{}, errSick
	}
	return u.bus.Publish(ctx, p)
}

func (u *unended) Healthy() error { return u.bus.Healthy() }

// serveUnended opens the bus of c and serves on it.
func serveUnended(t *testing.T, c broker.Config, rescue *bridge.Rescue) *unended {
	t.Helper()
	b, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := broker.NewArchive(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	u := &unended{t: t, bus: b, over: make(chan error, 1)}
	u.server = bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(u, 600*time.Millisecond), Board: bridge.NewBoard(), Log: c.Log, Grace: time.Second,
		Archive: archive, Texts: b.OpenTexts(archive), Bridge: "b1", Rescue: rescue,
	})
	r, err := bridge.Load("unended", []byte("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm}\n"), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, u.cancel = context.WithCancel(context.Background())
	go func() { u.over <- u.server.Run(ctx, r) }()
	eventually(t, 5*time.Second, "a listener", func() bool { return u.server.Addr("a1") != nil })
	return u
}

// stop ends the bus first when the process is killed.
func (u *unended) stop(killed bool) {
	u.t.Helper()
	if killed {
		_ = u.bus.Close(context.Background())
	}
	u.cancel()
	if err := <-u.over; err != nil {
		u.t.Error(err)
	}
	if !killed {
		_ = u.bus.Close(context.Background())
	}
}

// send plays the frames of one message without its L record and EOT.
func (u *unended) send(records ...string) net.Conn {
	u.t.Helper()
	nc, err := net.Dial("tcp", u.server.Addr("a1").String())
	if err != nil {
		u.t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(nc)
	say := func(text string) {
		if _, err := nc.Write([]byte(text)); err != nil {
			u.t.Fatal(err)
		}
		if b, err := r.ReadByte(); err != nil || b != 0x06 {
			u.t.Fatalf("answered %#x, %v", b, err)
		}
	}
	say("\x05")
	for n, record := range records {
		text := fmt.Sprintf("%d%s\r\x03", (n+1)%8, record)
		sum := byte(0)
		for i := range len(text) {
			sum += text[i]
		}
		say(fmt.Sprintf("\x02%s%02X\r\n", text, sum))
	}
	return nc
}

func records() []string {
	return []string{`H|\^&|||bench^1`, "P|1||PATU71", "O|1|SPCU71||^^^GLU", "R|1|^^^GLU|5.9"}
}

// holds wants one raw message of all records and one parsed result of it.
func (u *unended) holds(subject string) {
	u.t.Helper()
	privacytest.Message([]byte(strings.Join(records(), "\r")))
	if raw, parsed, open := messages(u.t, u.bus, subjects.StreamRaw), messages(u.t, u.bus, subjects.StreamParsed), messages(u.t, u.bus, subjects.StreamOpen); raw != 1 || parsed != 1 || open > 1 {
		u.t.Errorf("%d raw, %d parsed and %d open messages, want 1, 1 and nothing but which instruments leave the end out", raw, parsed, open)
	}
	archive, err := broker.NewArchive(u.bus.Conn())
	if err != nil {
		u.t.Fatal(err)
	}
	m, err := archive.Get(u.t.Context(), subjects.StreamRaw, 1)
	if err != nil || string(m.Body) != strings.Join(records(), "\r")+"\r" {
		u.t.Errorf("raw is not what was acknowledged: %v", err)
	}
	p, err := archive.Get(u.t.Context(), subjects.StreamParsed, 1)
	if err != nil || p.Subject != subject {
		u.t.Errorf("derived as %s, %v", p.Subject, err)
	}
}

// A message without L whose frames were all acknowledged survives the end of
// the process, and one start more adds nothing.
func TestUnendedSurvivesAKill(t *testing.T) {
	c := config(t)
	u := serveUnended(t, c, nil)
	nc := u.send(records()...)
	defer nc.Close()
	if n := messages(t, u.bus, subjects.StreamOpen); n != 3 {
		t.Errorf("%d pieces are on disk, want those of P, O and R", n)
	}
	u.stop(true)
	for range 2 {
		u = serveUnended(t, c, nil)
		u.holds("lab.failed.main.a1.incomplete") // that the instrument sends no more is not known
		u.stop(false)
	}
}

// With a store that takes nothing at an orderly stop the rescue folder has it.
func TestUnendedIsRescued(t *testing.T) {
	c := config(t)
	rescue, err := bridge.OpenRescue(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := rescue.Reserve(1 << 20); err != nil {
		t.Fatal(err)
	}
	u := serveUnended(t, c, rescue)
	nc := u.send(records()...)
	defer nc.Close()
	u.sick.Store(true)
	if _, err := nc.Write([]byte("\x04")); err != nil {
		t.Fatal(err)
	}
	u.stop(false)
	u = serveUnended(t, c, rescue)
	defer u.stop(false)
	u.holds("lab.parsed.main.a1.result")
}

// A sender that has ended three messages is trusted; one that leaves an end
// out is not, also not after a restart.
func TestUnendedSenderIsKnown(t *testing.T) {
	c := config(t)
	u := serveUnended(t, c, nil)
	for range 3 {
		nc := u.send(append(records(), "L|1|N")...)
		_ = nc.Close()
	}
	eventually(t, 5*time.Second, "nothing open", func() bool { return messages(t, u.bus, subjects.StreamOpen) == 0 })
	nc := u.send(records()...)
	if n := messages(t, u.bus, subjects.StreamOpen); n != 0 {
		t.Errorf("%d pieces of a sender that ends its messages are kept", n)
	}
	_, _ = nc.Write([]byte("\x04"))
	eventually(t, 5*time.Second, "the unended message", func() bool { return messages(t, u.bus, subjects.StreamRaw) == 4 })
	_ = nc.Close()
	u.stop(false)
	u = serveUnended(t, c, nil)
	defer u.stop(false)
	for range 3 {
		nc := u.send(append(records(), "L|1|N")...)
		_ = nc.Close()
	}
	nc = u.send(records()...)
	defer nc.Close()
	if n := messages(t, u.bus, subjects.StreamOpen); n < 3 {
		t.Errorf("%d messages in LAB_OPEN: a sender that left an end out is trusted", n)
	}
}
