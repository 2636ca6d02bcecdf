package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/assaybus/assaybus/codec"
)

// Capture takes the messages out of what an instrument once said on the wire,
// link framing and all, by listening to it with p, which is built with
// codec.RoleHost. A message that is not complete is an error wrapping
// [codec.ErrIncomplete]: a play must not leave out parts of a file silently.
func Capture(ctx context.Context, p codec.Protocol, data []byte) ([][]byte, error) {
	wire, keep := codec.NewPlayback(data), &keeper{}
	for wire.Left() > 0 {
		left := wire.Left()
		err := p.Serve(ctx, wire, keep)
		if errors.Is(err, io.EOF) || errors.Is(err, codec.ErrFarewell) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("capture, %d bytes before its end: %w", left, err)
		}
		if wire.Left() == left {
			return nil, fmt.Errorf("capture, %d bytes before its end: %w", left, io.ErrNoProgress)
		}
	}
	switch {
	case keep.err != nil:
		return nil, fmt.Errorf("capture, after %d messages: %w", len(keep.messages), keep.err)
	case len(keep.messages) == 0:
		return nil, ErrNoMessage
	}
	return keep.messages, nil
}

// keeper is a codec.Host that keeps messages in memory.
type keeper struct {
	messages [][]byte
	err      error
}

// Receive keeps a copy.
func (k *keeper) Receive(_ context.Context, d codec.Delivery) error {
	k.messages = append(k.messages, bytes.Clone(d.Raw))
	return nil
}

// Incomplete notes the first message that did not end.
func (k *keeper) Incomplete(_ context.Context, _ codec.Delivery, why error) {
	if k.err == nil {
		k.err = why
	}
}

// Ready is always nil.
func (k *keeper) Ready() error { return nil }
