package astm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// numbered is one H to L with n results.
func numbered(n int) []byte {
	var b bytes.Buffer
	b.WriteString("H|\\^&|||cobas|||||||P|1\rP|1||PX1\rO|1|SX1||^^^GLU\r")
	for i := range n {
		fmt.Fprintf(&b, "R|%d|^^^GLU|5.9|mmol/L||N||F||op||20260102030405\r", i+1)
	}
	b.WriteString("L|1|N\r")
	return b.Bytes()
}

// frame is text in a frame, checksum and all, summed in the plainest way.
func frame(number int, text string, terminator byte) string {
	body := fmt.Sprintf("%d%s%c", number%8, text, terminator)
	var sum byte
	for _, c := range []byte(body) {
		sum += c
	}
	return fmt.Sprintf("\x02%s%02X\r\n", body, sum)
}

func session(texts ...string) string {
	var b strings.Builder
	b.WriteByte(0x05)
	for i, text := range texts {
		b.WriteString(frame(i+1, text, 0x03))
	}
	b.WriteByte(0x04)
	return b.String()
}

func TestPair(t *testing.T) {
	hl7 := []byte("MSH|^~\\&|GX||LIS||20260102||ORU^R32|1|P|2.5\rPID|1\rOBX|1|ST|L|1\r")
	for _, size := range []int{1, 7, 240, 60000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := build(codec.Options{SendFrame: size})
			codectest.RunPair(t, p, numbered(1), hl7, numbered(20), []byte("H|\\^&\rL"), []byte("H|\\^&\r\rC|1|\xe4\xff\rL|1\r"))
		})
	}
}

func TestPairOfMaglumis(t *testing.T) {
	codectest.RunPair(t, with("ack-every-control"), numbered(1), numbered(20))
}

func TestSplitOfSessions(t *testing.T) {
	for name, c := range map[string]struct {
		quirks []string
		input  string
	}{
		"sessions":        {nil, session("H|\\^&\r", "O|1|SX1\r", "L|1\r") + "\x00" + session() + session("H|\\^&\rL|1\r")},
		"refused frames":  {nil, "\x05\x021H|\\^&\r\x0300\r\n" + frame(1, "H|\\^&\r", 3) + frame(3, "L|1\r", 3) + frame(2, "L|1\r", 3) + "\x04"},
		"repeats":         {nil, "\x05" + strings.Repeat(frame(1, "H|\\^&\r", 3), 3) + frame(2, "L|1\r", 0x17) + "\x04"},
		"restart":         {nil, "\x05" + frame(1, "H|\\^&\r", 3) + session("H|\\^&\r", "L|1\r")},
		"garbled":         {nil, "\x05\x021H|\\^&" + frame(1, "H|\\^&\r", 3) + frame(2, "L|1\r", 3) + "\x04"},
		"hang-up":         {nil, "\x05" + frame(1, "H|\\^&\r", 3) + "\x022R|1|^^^GLU|5."},
		"EOT in frame":    {nil, "\x05" + frame(1, "H|\\^&\r", 3) + "\x022R|1|^^^GLU|5.\x04"},
		"unterminated":    {nil, "\x05" + frame(1, "H|\\^&\r", 3) + frame(2, "O|1|SX1\r", 3) + "\x04"},
		"unframed":        {nil, "H|\\^&\r\nP|1\r\nL|1\r\nH|\\^&\nQ|1|^SX\nL|1|F\nH|\\^&\rO|1|SX1\rL"},
		"unframed no L":   {nil, "H|\\^&\rO|1|SX1\r"},
		"noise":           {nil, "noise here\r\n\x02\x02\x02xx" + session("H|\\^&\r", "L|1\r") + "tail"},
		"implicit":        {[]string{"implicit-session"}, frame(1, "H|\\^&\r", 3) + frame(2, "L|1\r", 3) + frame(1, "H|\\^&\rL|1\r", 3)},
		"no checksum":     {[]string{"no-checksum"}, "\x05\x021H|\\^&\r\x03\r\n\x022L|1\r\x0312\r\n\x04"},
		"any number":      {[]string{"any-frame-number"}, "\x05" + frame(5, "H|\\^&\r", 3) + frame(5, "M|1\r", 3) + frame(5, "L|1\r", 3) + "\x04"},
		"maglumi":         {[]string{"ack-every-control"}, "\x05\x02H|\\^&\rO|1|SX1\rL|1\r\x03\x04\x05\x02H|\\^&\rL|1\r\x03\x04\x05\x02H|\\^&"},
		"maglumi, alone":  {[]string{"ack-every-control", "implicit-session"}, "\x02H|\\^&\rL|1\r\x03\x04"},
		"a large message": {nil, session("H|\\^&\r", "C|1|"+strings.Repeat("x", 70000)+"\r", "L|1\r")},
	} {
		t.Run(name, func(t *testing.T) {
			codectest.Split(t, with(c.quirks...), []byte(c.input))
		})
	}
}

// TestTwoConnections: sessions share nothing (pitfalls 4).
func TestTwoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := with()
		hosts := make([]codectest.Host, 2)
		conns := make([]net.Conn, 2)
		for i := range hosts {
			ours, theirs := net.Pipe()
			conns[i] = theirs
			go func() {
				if err := p.Serve(t.Context(), ours, &hosts[i]); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("Serve %d = %v", i, err)
				}
			}()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
		}
		for n, text := range []string{"H|\\^&\r", "O|1|SX%d\r", "L|1\r"} {
			for i, c := range conns {
				if n == 0 {
					fmt.Fprint(c, "\x05")
				}
				if strings.Contains(text, "%d") {
					fmt.Fprint(c, frame(n+1, fmt.Sprintf(text, i), 3))
				} else {
					fmt.Fprint(c, frame(n+1, text, 3))
				}
			}
		}
		synctest.Wait()
		for i, c := range conns {
			got, want := hosts[i].Stored(), fmt.Sprintf("H|\\^&\rO|1|SX%d\rL|1\r", i)
			if len(got) != 1 || string(got[0]) != want {
				t.Errorf("connection %d stored %q, want %q", i, got, want)
			}
			c.Close()
		}
		synctest.Wait()
	})
}

// mute is a Conn that cannot be written to.
type mute struct{ *codec.Playback }

func (mute) Write([]byte) (int, error) { return 0, errors.New("cable cut") }

func TestWriteFails(t *testing.T) {
	var host codectest.Host
	in := session("H|\\^&\r", "L|1\r")
	err := with().Serve(t.Context(), mute{codec.NewPlayback([]byte(in))}, &host)
	if err == nil || !strings.Contains(privacytest.Error(err), "cable cut") {
		t.Errorf("Serve = %v, want the Conn's error", err)
	}
	err = with().Send(t.Context(), mute{codec.NewPlayback(nil)}, numbered(1))
	if err == nil || !strings.Contains(privacytest.Error(err), "cable cut") {
		t.Errorf("Send = %v, want the Conn's error", err)
	}
}

// plain is a Conn that takes no bytes back.
type plain struct{ io.ReadWriter }

func (plain) SetReadDeadline(time.Time) error  { return nil }
func (plain) SetWriteDeadline(time.Time) error { return nil }

// TestNoUnreader: where bytes cannot be given back, Serve goes on itself.
func TestNoUnreader(t *testing.T) {
	var host codectest.Host
	in := strings.Repeat(session("H|\\^&\r", "L|1\r"), 3)
	conn := plain{codec.NewPlayback([]byte(in))}
	for range 3 {
		if err := with().Serve(t.Context(), conn, &host); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if got := len(host.Stored()); got != 3 {
		t.Errorf("stored %d messages, want 3", got)
	}
}

// TestNoContentInErrors: no error holds what the instrument sent.
func TestNoContentInErrors(t *testing.T) {
	var host codectest.Host
	p := build(codec.Options{MaxMessage: 30})
	in := "\x05" + frame(1, "H|\\^&\rP|1||SECRETPAT8\r", 3) + frame(2, "C|1|SECRET-SECRET\r", 3)
	_, err := codectest.Play(t, p, &host, []byte(in))
	if !errors.Is(err, codec.ErrTooLarge) || strings.Contains(privacytest.Error(err), "SECRET") {
		t.Errorf("Serve = %v, want a size error without content", err)
	}
	if g := host.GivenUp(); len(g) != 1 || strings.Contains(privacytest.Error(g[0].Why), "SECRET") {
		t.Errorf("given up %d, want 1 with a reason without content", len(g))
	}
}

func TestSendEndsBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := codec.NewPlayback(nil)
	if err := with().Send(ctx, conn, numbered(1)); !errors.Is(err, context.Canceled) || len(conn.Written()) > 0 {
		t.Errorf("Send = %v and wrote %q, want the end of the context and nothing", err, conn.Written())
	}
}
