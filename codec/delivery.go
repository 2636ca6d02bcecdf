package codec

import "context"

// Delivery is one message as a link hands it over: its bytes, and what the
// link knows that they do not say. It is not changed, and Raw and Frames are
// not kept, after the return of the call that takes it.
type Delivery struct {
	Raw     []byte   // link framing removed
	Batch   string   // control id of the batch that it came in; "" = none that the link saw
	Frames  []byte   // how it was framed, as ParseFrames reads it; nil = not noted: it is too large
	Quirks  []string // tolerances that the link needed for it, each once
	Sender  string   // ASTM: component 1 of H-5, raw, at most 200 bytes; "" = not known. It tells senders behind one address apart and is never logged
	Unended bool     // its end (ASTM: the L record) did not come: the end of the transmission, or the next message, ended it
}

// Host is the laboratory side of a conversation: custody of messages.
type Host interface {
	// Receive takes one complete message. nil means that its bytes are on disk;
	// nothing else may cause a positive acknowledgement. An error wrapping
	// [ErrReject] means that repeating the message will not help; any other
	// error means try again.
	Receive(ctx context.Context, d Delivery) error
	// Incomplete takes what arrived of a message whose transmission ended
	// before the message did; why wraps [ErrIncomplete] or [ErrTooLarge]. Of
	// one that is Unended every frame was acknowledged: its sender takes it for
	// delivered, and it could not be stored.
	Incomplete(ctx context.Context, d Delivery, why error)
	// Ready is nil when the host is willing to take a message now.
	Ready() error
}

// Keeper is what a Host may also be: what a sender may take for delivered is
// on disk before it is acknowledged.
type Keeper interface {
	// Keep is called before the positive answer to a frame behind which the
	// open message may be whole for its sender although its end has not come.
	// d.Raw is the message up to here; its first kept bytes were given to
	// earlier calls for the same message. nil means that it is on disk, or that
	// this sender is known to end its messages. An error refuses the frame,
	// which the sender repeats.
	Keep(ctx context.Context, d Delivery, kept int) error
}
