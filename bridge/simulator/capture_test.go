package simulator_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
)

// lines is a protocol whose messages end in a line feed; '!' cuts one short,
// and '?' is never read.
type lines struct{ link }

func (lines) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	var message []byte
	for b := make([]byte, 1); ; {
		if _, err := conn.Read(b); err != nil {
			return err
		}
		switch b[0] {
		case '\n':
			return host.Receive(ctx, codec.Delivery{Raw: message})
		case '!':
			host.Incomplete(ctx, codec.Delivery{Raw: message}, codec.ErrIncomplete)
			return nil
		case '?':
			conn.(codec.Unreader).Unread(b)
			return nil
		}
		message = append(message, b[0])
	}
}

func TestCapture(t *testing.T) {
	for _, tt := range []struct {
		data string
		want []string
		err  error
	}{
		{"one\ntwo\n", []string{"one", "two"}, nil},
		{"one\ntw!three\n", nil, codec.ErrIncomplete},
		{"", nil, simulator.ErrNoMessage},
		{"one\n?", nil, io.ErrNoProgress},
	} {
		raw, err := simulator.Capture(t.Context(), lines{}, []byte(tt.data))
		var got []string
		for _, r := range raw {
			got = append(got, string(r))
		}
		if d := cmp.Diff(tt.want, got); d != "" || !errors.Is(err, tt.err) {
			t.Errorf("%q: %v\n%s", tt.data, err, d)
		}
	}
}
