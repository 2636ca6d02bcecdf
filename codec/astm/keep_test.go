package astm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// keeping is a host that keeps open messages.
type keeping struct {
	codectest.Host
	kept    []string // what each call got beyond what it had
	answers []error
}

func (k *keeping) Keep(_ context.Context, d codec.Delivery, kept int) error {
	k.kept = append(k.kept, fmt.Sprintf("%s+%s", d.Raw[:kept], d.Raw[kept:]))
	if len(k.answers) > 0 {
		err := k.answers[0]
		k.answers = k.answers[1:]
		return err
	}
	return nil
}

// A frame behind which a message may be whole for its sender is kept before it
// is acknowledged.
func TestOpenMessageIsKept(t *testing.T) {
	failed := errors.New("no room")
	h, p, o, l := "H|\\^&|||bench^1\r", "P|1\r", "O|1|SPC1\r", "L|1|N\r"
	for name, tt := range map[string]struct {
		in       string
		answers  []error
		options  codec.Options
		kept     []string
		received []string // a + stands for one that was not ended
		replies  string   // A for ACK, N for NAK
	}{
		"no end, a record in each frame": {
			in:   "\x05" + etx(1, h) + etx(2, p) + etx(3, o) + "\x04",
			kept: []string{"+" + h + p, h + p + "+" + o}, received: []string{"+" + h + p + o}, replies: "AAAA",
		},
		"an end": {
			in:   "\x05" + etx(1, h) + etx(2, p) + etx(3, l) + "\x04",
			kept: []string{"+" + h + p}, received: []string{h + p + l}, replies: "AAAA",
		},
		"an end in the same frame": {in: "\x05" + etx(1, h+p+l) + "\x04", received: []string{h + p + l}, replies: "AA"},
		"a frame that another continues": {
			in:   "\x05" + frameOf(1, h+"P|", '\x17') + etx(2, "1\r") + "\x04",
			kept: []string{"+" + h + p}, received: []string{"+" + h + p}, replies: "AAA",
		},
		"refused, then kept": {
			in: "\x05" + etx(1, h) + etx(2, p) + etx(2, p) + "\x04", answers: []error{failed},
			kept: []string{"+" + h + p, "+" + h + p}, received: []string{"+" + h + p}, replies: "AANA",
		},
		"refused behind one that was received": {
			in: "\x05" + etx(1, h+p+l+h+o) + etx(1, h+p+l+h+o) + "\x04", answers: []error{failed},
			kept: []string{"+" + h + o, "+" + h + o}, received: []string{h + p + l, "+" + h + o}, replies: "ANA",
		},
		"two messages": {
			in:   "\x05" + etx(1, h+p) + etx(2, l) + etx(3, h+o) + "\x04",
			kept: []string{"+" + h + p, "+" + h + o}, received: []string{h + p + l, "+" + h + o}, replies: "AAAA",
		},
		"every control acknowledged": {
			in: "\x05\x02" + h + p + "\x03\x04", options: codec.Options{Quirks: []string{"ack-every-control"}},
			kept: []string{"+" + h + p}, received: []string{"+" + h + p}, replies: "AAAA",
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := &keeping{answers: tt.answers}
			conn := codec.NewPlayback([]byte(tt.in))
			_ = build(tt.options).Serve(t.Context(), conn, host) // ends with the recording
			if diff := cmp.Diff(tt.kept, host.kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			var received []string
			for _, d := range host.Received() {
				text := string(d.Raw)
				if d.Unended {
					text = "+" + text
				}
				if d.Sender != "bench" {
					t.Errorf("the sender is %q", d.Sender)
				}
				received = append(received, text)
			}
			if diff := cmp.Diff(tt.received, received); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
			if got := strings.NewReplacer("\x06", "A", "\x15", "N").Replace(string(conn.Written())); got != tt.replies {
				t.Errorf("answered %q, want %q", got, tt.replies)
			}
		})
	}
}

// A stop while the store is ill hands over what was acknowledged as what it
// is: a message that only its end lacks.
func TestUnendedAtAStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	host := &stopping{stop: stop}
	conn := codec.NewPlayback([]byte("\x05" + etx(1, "H|\\^&|||bench^1\rP|1\r") + "\x04"))
	_ = build(codec.Options{}).Serve(ctx, conn, host)
	given := host.GivenUp()
	if len(given) != 1 || !given[0].Unended || !errors.Is(given[0].Why, codec.ErrIncomplete) {
		t.Errorf("given up %+v, want one that is unended", given)
	}
}

// stopping fails to store and has the program stopped.
type stopping struct {
	codectest.Host
	stop func()
}

func (s *stopping) Receive(context.Context, codec.Delivery) error {
	s.stop()
	return codectest.ErrStore
}

func etx(number int, text string) string { return frameOf(number, text, '\x03') }

func frameOf(number int, text string, end byte) string {
	body := fmt.Sprintf("%d%s%c", number, text, end)
	sum := byte(0)
	for i := range len(body) {
		sum += body[i]
	}
	return fmt.Sprintf("\x02%s%02X\r\n", body, sum)
}
