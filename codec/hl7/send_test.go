package hl7_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

const order = "MSH|^~\\&|Host||||20261123||OML^O33^OML_O33|h1|P|2.5.1\r"

func reply(code string) string {
	return "\x0bMSH|^~\\&|||||20261123||ACK^O33^ACK|k1|P|2.5.1\rMSA|" + code + "|h1\r\x1c\r"
}

// Only AE and CE say that repeating does not help.
func TestSendErrors(t *testing.T) {
	for code, want := range map[string]struct{ refused, reject bool }{
		"AA": {}, "CA": {}, "AE": {true, true}, "CE": {true, true}, "AR": {true, false}, "CR": {true, false}, "aa": {true, false},
	} {
		conn := codec.NewPlayback([]byte(reply(code)))
		err := hl7.NewFixed(codec.Options{}).Send(t.Context(), conn, []byte(order))
		if got := errors.Is(err, codec.ErrRefused); got != want.refused {
			t.Errorf("%s: %v, ErrRefused %v, want %v", code, err, got, want.refused)
		}
		if got := errors.Is(err, codec.ErrReject); got != want.reject {
			t.Errorf("%s: %v, ErrReject %v, want %v", code, err, got, want.reject)
		}
		if got := string(conn.Written()); got != "\x0b"+order+"\x1c\r" {
			t.Errorf("%s: wrote %q", code, got)
		}
	}
}

// The whole block is one Write.
func TestSendWritesOnce(t *testing.T) {
	conn := &counting{Playback: codec.NewPlayback([]byte(reply("AA")))}
	if err := hl7.NewFixed(codec.Options{}).Send(t.Context(), conn, []byte(order)); err != nil {
		t.Fatal(err)
	}
	if conn.writes != 1 {
		t.Errorf("%d writes, want 1", conn.writes)
	}
}

type counting struct {
	*codec.Playback
	writes int
}

func (c *counting) Write(b []byte) (int, error) { c.writes++; return c.Playback.Write(b) }

func TestSendContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := codec.NewPlayback([]byte(reply("AA")))
	if err := hl7.NewFixed(codec.Options{}).Send(ctx, conn, []byte(order)); !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v, want context.Canceled", err)
	}
	if n := len(conn.Written()); n > 0 {
		t.Errorf("%d bytes were written after the end", n)
	}
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { _, _ = theirs.Read(make([]byte, 1000)) }()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := hl7.NewFixed(codec.Options{}).Send(ctx, ours, []byte(order)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send = %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Send took %v, want 5s", took)
		}
	})
}

// A peer that takes nothing ends the sending.
func TestSendNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		if err := hl7.NewFixed(codec.Options{}).Send(t.Context(), ours, []byte(order)); !codec.IsTimeout(err) {
			t.Errorf("Send = %v, want a timeout", err)
		}
	})
}

// What the other side says meanwhile goes back whole and in order, but not
// without bound.
func TestSendKeepsWhatElseArrives(t *testing.T) {
	in := string(framed(one)) + "\x00" + string(framed(two)) + reply("AA") + string(framed(one))
	conn := codec.NewPlayback([]byte(in))
	p := hl7.NewFixed(codec.Options{MaxMessage: 2*len(one) + len(order)})
	if err := p.Send(t.Context(), conn, []byte(order)); err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	if _, err := rest.ReadFrom(conn); err != nil {
		t.Fatal(err)
	}
	if want := string(framed(one, two, one)); rest.String() != want {
		t.Errorf("left for the receiver:\n%q\nwant\n%q", rest.String(), want)
	}
	flood := codec.NewPlayback([]byte(strings.Repeat(string(framed(one)), 10) + reply("AA")))
	if err := p.Send(t.Context(), flood, []byte(order)); !errors.Is(err, codec.ErrYield) {
		t.Errorf("Send = %v, want ErrYield", err)
	}
	if got, want := flood.Left(), 10*len(framed(one))+len(reply("AA")); got != want {
		t.Errorf("%d bytes are left for the receiver, want %d: something was lost", got, want)
	}
}
