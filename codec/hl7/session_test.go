package hl7_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/codec/hl7"
)

const (
	one = "MSH|^~\\&|Lyser||||20261123||ORU^R01^ORU_R01|m1|P|2.5.1\rOBX|1|NM|GLU||5.9\r"
	two = "MSH|^~\\&|Lyser||||20261123||ORU^R01^ORU_R01|m2|P|2.5.1\rOBX|1|NM|GLU||6.1\r"
)

func framed(messages ...string) []byte {
	var b bytes.Buffer
	for _, m := range messages {
		b.WriteString("\x0b" + m + "\x1c\r")
	}
	return b.Bytes()
}

func TestPair(t *testing.T) {
	law := strings.Replace(two, "|2.5.1", "|2.5.1|||AL|AL", 1)
	for _, o := range []codec.Options{{}, {CommitAck: "both"}, {AckMode: "enhanced"}} {
		codectest.RunPair(t, hl7.NewFixed(o), []byte(one), []byte(two), []byte(law))
	}
}

func TestSplit(t *testing.T) {
	for name, in := range map[string]string{
		"coalesced":   string(framed(one, two, one)),
		"every tail":  "\x0b" + one + "\x1c\n\x0b" + two + "\x1c\x0b" + one + "\x1c\x00\x0b" + two + "\x1czz\x0b" + one + "\x1c",
		"starts":      "\x0b\x0b" + one + "\x0b" + two + "\x0bMSH|cut\x0b" + one + "\x1c\r",
		"noise":       "\x02\x00GET / \r\n" + string(framed(one)) + "MS\x05" + string(framed(two)) + "MSHx",
		"unframed":    one + two + "BHS|^~\\&|x\r" + one + "\x1c\r" + two + string(framed(one)),
		"text":        string(framed(one+"NTE|1||a\x0bb\x1cc\r", "no header", "")),
		"batch":       string(framed("FHS|^~\\&\rBHS|^~\\&\r" + one + two + "BTS|2\rFTS|1\r")),
		"acks":        string(framed("MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AA|2\r", "\x06", "\x15")),
		"cut":         string(framed(one)) + "\x0b" + two[:40],
		"two cut off": one + "\x0b",
	} {
		t.Run(name, func(t *testing.T) {
			codectest.Split(t, hl7.NewFixed(codec.Options{}), []byte(in))
			codectest.Split(t, hl7.NewFixed(codec.Options{MaxMessage: 70, CommitAck: "send"}), []byte(in))
		})
	}
}

func TestSpeaks(t *testing.T) {
	for in, want := range map[string]codec.Verdict{
		"":              codec.Maybe,
		"\x0b":          codec.Yes,
		"\x00\r\n\x0b":  codec.Yes,
		"\x02\x02":      codec.Maybe,
		"\x02MSH|":      codec.Yes,
		"\r\nMSH|^":     codec.Yes, // defect 34: leading CR LF made it ASTM for ever
		"FHS^":          codec.Yes,
		"BHS|":          codec.Yes,
		"M":             codec.Maybe,
		"MS":            codec.Maybe,
		"MSH":           codec.Maybe,
		"MSHA":          codec.No,
		"MR":            codec.No,
		"\xef\xbb\xbfM": codec.Maybe,
		"\x05":          codec.No,
		"\x021H|":       codec.No,
		"H|\\^&":        codec.No,
		"<HEL.R01>":     codec.No,
		"GET / HTTP":    codec.No,
	} {
		if got := hl7.Kind().Speaks([]byte(in)); got != want {
			t.Errorf("Speaks(%q) = %v, want %v", in, got, want)
		}
	}
}

// A Conn that takes nothing back is served until nothing waits.
func TestServeWithoutUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { _, _ = theirs.Write(append(framed(one, two), "\x00\x0b"+one+"\x1c"...)) }()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		var host codectest.Host
		if err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host); err != nil {
			t.Fatal(err)
		}
		if got := len(host.Stored()); got != 3 {
			t.Errorf("%d messages stored, want 3", got)
		}
	})
}

// A connection that breaks, unlike one that ends, says nothing about whether
// a bare message was complete.
func TestUnframedConnectionBreaks(t *testing.T) {
	var host codectest.Host
	conn := &breaking{Playback: codec.NewPlayback([]byte(one))}
	err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), conn, &host)
	if !errors.Is(err, errBroken) || !errors.Is(err, codec.ErrIncomplete) {
		t.Errorf("Serve = %v, want ErrIncomplete because the connection broke", err)
	}
	if len(host.Stored()) != 0 || len(host.GivenUp()) != 1 || string(host.GivenUp()[0].Raw) != one {
		t.Errorf("stored %d, given up %d; want 0 and 1", len(host.Stored()), len(host.GivenUp()))
	}
}

var errBroken = errors.New("connection reset by peer")

type breaking struct{ *codec.Playback }

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Playback.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// A deadline that somebody else moved to the past (the server stops) ends no
// message: what has come of it is accounted for.
func TestStoppedInMidMessage(t *testing.T) {
	for _, in := range []string{"\x0b" + one[:50], one[:50]} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			var host codectest.Host
			served := make(chan error)
			go func() { served <- hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host) }()
			if _, err := theirs.Write([]byte(in)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if err := <-served; !errors.Is(err, codec.ErrIncomplete) || !strings.Contains(privacytest.Error(err), "stopped") {
				t.Errorf("Serve = %v, want ErrIncomplete because the link was stopped", err)
			}
			if g := host.GivenUp(); len(g) != 1 || string(g[0].Raw) != one[:50] {
				t.Errorf("given up: %d, want the beginning of the message", len(g))
			}
		})
	}
}

// The host's context outlives the end of the conversation's, so that the
// message in progress can still be stored.
func TestReceiveOutlivesStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := codec.NewPlayback(framed(one))
	host := hostFunc(func(ctx context.Context, _ codec.Delivery) error { return ctx.Err() })
	if err := hl7.NewFixed(codec.Options{}).Serve(ctx, conn, host); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(conn.Written(), []byte("MSA|AA|m1")) {
		t.Errorf("answer %q, want AA", conn.Written())
	}
}

// Medplum #3720: an acknowledgement while the message was only in memory. Here
// not a byte is written before the host has taken it.
func TestAckWaitsForTheStore(t *testing.T) {
	for _, commit := range []string{"off", "send"} {
		conn := codec.NewPlayback(framed(one, two))
		var before []int
		host := hostFunc(func(context.Context, codec.Delivery) error {
			before = append(before, bytes.Count(conn.Written(), []byte("\rMSA|AA|")))
			if commit == "send" && len(before) == 1 && len(conn.Written()) > 0 {
				t.Error("committed before the message was stored")
			}
			return nil
		})
		if err := hl7.NewFixed(codec.Options{CommitAck: commit}).Serve(t.Context(), conn, host); err != nil {
			t.Fatal(err)
		}
		if len(before) != 2 || before[0] != 0 || before[1] != 1 {
			t.Errorf("commit %s: answers before each message was stored: %v, want 0 and 1", commit, before)
		}
	}
}

type hostFunc func(context.Context, codec.Delivery) error

func (f hostFunc) Receive(ctx context.Context, d codec.Delivery) error { return f(ctx, d) }
func (f hostFunc) Incomplete(context.Context, codec.Delivery, error)   {}
func (f hostFunc) Ready() error                                        { return nil }

// An answer that the instrument does not take ends the connection.
func TestAnswerNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { _, _ = theirs.Write(framed(one)) }()
		var host codectest.Host
		if err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host); !codec.IsTimeout(err) {
			t.Errorf("Serve = %v, want a timeout", err)
		}
		if len(host.Stored()) != 1 {
			t.Error("the message was not stored")
		}
	})
}

// No message makes reading its header, its MSA or its batch slow.
func TestHostileMessagesAreLinear(t *testing.T) {
	const size = 2 << 20
	fill := func(head, with, end string) string { return head + strings.Repeat(with, size/len(with)) + end }
	for name, raw := range map[string]string{
		"LF before the first CR":  fill("MSH|^~\\&|", "\n", "\rMSA|"),
		"LF alone":                fill("MSH|^~\\&|||||||ORL^O34|1\n", "A\n", ""),
		"CR alone":                fill("MSH|^~\\&|||||||ORL^O34|1\r", "\r", ""),
		"nearly MSH":              fill("MSH|^~\\&|\r", "MSH\r", ""),
		"envelopes":               fill("BHS|\r", "FHS|\r", "MSH|\rMSH|\r"),
		"separators":              fill("MSH", "|", ""),
		"start blocks in text":    fill("MSH|\r", "\x0b", "\r"),
		"end blocks in text":      fill("MSH|\r", "a\x1c", "\r"),
		"half headers everywhere": fill("MSH|\r", "\x0bMS", "\r"),
	} {
		conn := codec.NewPlayback(framed(raw))
		began := time.Now()
		if err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), conn, nothing{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: %v for %d MiB", name, took, size>>20)
		}
	}
}
