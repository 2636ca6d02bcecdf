package codectest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/assaybus/assaybus/codec"
)

// cutAll is up to which position an input is cut at every byte; behind it at
// about cutMore more places.
const (
	cutAll  = 1 << 10
	cutMore = 64
)

// Play serves input from memory until it is used up, as the bridge does:
// again and again while a conversation ends in order. It returns what we
// wrote and the error that ended the last conversation; io.EOF is nil.
func Play(t testing.TB, p codec.Protocol, host codec.Host, input []byte, cuts ...int) ([]byte, error) {
	t.Helper()
	conn := codec.NewPlayback(input, cuts...)
	for conn.Left() > 0 {
		before := conn.Left()
		err := p.Serve(t.Context(), conn, host)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return conn.Written(), err
		}
		if conn.Left() == before {
			t.Fatalf("a conversation ended without having read anything; %d bytes wait", before)
		}
	}
	return conn.Written(), nil
}

// Split checks that it does not matter how the bytes of input arrive: whole,
// one by one, or cut in two anywhere, the same is stored, given up and
// answered.
func Split(t *testing.T, p codec.Protocol, input []byte) {
	t.Helper()
	want := outcome(t, p, input)
	each := make([]int, len(input))
	for i := range each {
		each[i] = i + 1
	}
	if got := outcome(t, p, input, each...); got != want {
		t.Errorf("byte by byte:\n got %s\nwant %s", got, want)
	}
	step := 1
	for cut := 1; cut < len(input); cut += step {
		if got := outcome(t, p, input, cut); got != want {
			t.Errorf("cut at %d:\n got %s\nwant %s", cut, got, want)
			return
		}
		if cut >= cutAll {
			step = max(1, (len(input)-cutAll)/cutMore)
		}
	}
}

// outcome is all that the outside sees of input.
func outcome(t *testing.T, p codec.Protocol, input []byte, cuts ...int) string {
	t.Helper()
	var host Host
	written, err := Play(t, p, &host, input, cuts...)
	var b bytes.Buffer
	fmt.Fprintf(&b, "answers %q", Pictures(written))
	for _, raw := range host.Stored() {
		fmt.Fprintf(&b, " stored %q", Pictures(raw))
	}
	for _, g := range host.GivenUp() {
		fmt.Fprintf(&b, " given up %q (%v)", Pictures(g.Raw), g.Why)
	}
	if err != nil {
		fmt.Fprintf(&b, " ended %v", err)
	}
	return b.String()
}
