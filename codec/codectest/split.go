package codectest

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
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
			privacytest.Error(err)
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
	want := outcomeOf(t, p, input)
	each := make([]int, len(input))
	for i := range each {
		each[i] = i + 1
	}
	if got := outcomeOf(t, p, input, each...); !reflect.DeepEqual(got, want) {
		t.Errorf("byte by byte:\n got %s\nwant %s", got, want)
	}
	step := 1
	for cut := 1; cut < len(input); cut += step {
		if got := outcomeOf(t, p, input, cut); !reflect.DeepEqual(got, want) {
			t.Errorf("cut at %d:\n got %s\nwant %s", cut, got, want)
			return
		}
		if cut >= cutAll {
			step = max(1, (len(input)-cutAll)/cutMore)
		}
	}
}

// outcome is all that the outside sees of a conversation.
type outcome struct {
	written []byte
	stored  []codec.Delivery
	givenUp []codec.Delivery
	reasons []string
}

func outcomeOf(t *testing.T, p codec.Protocol, input []byte, cuts ...int) outcome {
	t.Helper()
	var host Host
	written, err := Play(t, p, &host, input, cuts...)
	o := outcome{written: written, stored: host.Received()}
	if err := host.Fault(); err != nil {
		t.Error(err)
	}
	for _, g := range host.GivenUp() {
		o.givenUp = append(o.givenUp, g.Delivery)
		o.reasons = append(o.reasons, g.Why.Error())
	}
	if err != nil {
		o.reasons = append(o.reasons, err.Error())
	}
	return o
}

// String is the outcome for people.
func (o outcome) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "answers %s", Pictures(o.written))
	for _, d := range o.stored {
		fmt.Fprintf(&b, " stored %s %s %v", Pictures(d.Raw), d.Frames, d.Quirks)
	}
	for _, d := range o.givenUp {
		fmt.Fprintf(&b, " given up %s %s %v", Pictures(d.Raw), d.Frames, d.Quirks)
	}
	return fmt.Sprintf("%s because %q", b.String(), o.reasons)
}
