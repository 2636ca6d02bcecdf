package codec

import (
	"context"
	"io"
	"slices"
	"time"
)

// Protocol is one way of talking to an instrument. A value is built for one
// instrument by [Kind.New] and holds that instrument's options; it is
// immutable and used by all connections of the instrument at once.
type Protocol interface {
	// Name is the protocol's name in configuration, headers and messages.
	Name() string
	// Serve holds one conversation as the receiver. It is called when bytes
	// wait to be read and returns nil when the line is neutral again; bytes it
	// has read but not used go back with [Unreader.Unread] if the Conn has it,
	// otherwise it goes on until the Conn ends. io.EOF means the peer hung up
	// while the line was neutral; every other error ends the connection, and
	// whatever was incomplete then has been given to [Host.Incomplete].
	// A ctx that ends lets the transmission in progress finish.
	Serve(ctx context.Context, conn Conn, host Host) error
	// Send plays the sender's side of one transmission of one message. nil
	// means that the other side has acknowledged all of it.
	Send(ctx context.Context, conn Conn, raw []byte) error
	// Parse decodes one message. It never fails for content that can be
	// carried to a consumer; it fails with a [*ParseError] for what is not a
	// message of this protocol. raw is not changed and not kept.
	Parse(raw []byte) (*Message, error)
}

// Conn is what a protocol needs of a connection: net.Conn has it, and so has
// net.Pipe.
type Conn interface {
	io.Reader
	io.Writer
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Unreader is what a Conn may also be. Unread gives back bytes that were read
// but belong to what comes next; they are copied and are the first that the
// next Read returns.
type Unreader interface {
	Unread(p []byte)
}

// Meter is what a Host may also be: it counts what a link saw.
type Meter interface {
	// Count adds one occurrence of event.
	Count(event Event)
	// Quirk notes that a tolerance was needed. What a message needed stands in
	// its [Delivery] as well.
	Quirk(name string)
}

// Event is something that a link counts. The names are the label values of
// the metrics.
type Event string

// The events of the links.
const (
	EventTransmission  Event = "transmission"   // a transmission began (ENQ accepted, block started)
	EventTransmitted   Event = "transmitted"    // a transmission ended
	EventNakSent       Event = "nak-sent"       // we answered NAK, AE, AR, CE or CR
	EventNakReceived   Event = "nak-received"   // the other side answered NAK, AE, AR, CE or CR
	EventChecksum      Event = "checksum"       // a frame's checksum was wrong
	EventFrameNumber   Event = "frame-number"   // a frame's number was refused
	EventRepeatedFrame Event = "repeated-frame" // the last accepted frame came again, byte for byte
	EventGarbled       Event = "garbled"        // a frame was cut short by the next one
	EventRestart       Event = "restart"        // ENQ in mid-session
	EventTimeout       Event = "timeout"        // a receive timer expired
	EventBusy          Event = "busy"           // ENQ answered NAK: the host was not ready
	EventContention    Event = "contention"     // both sides bid for the line
	EventNoise         Event = "noise"          // bytes outside any frame were skipped
	EventOversize      Event = "oversize"       // a message was over the limit
	EventUncorrelated  Event = "uncorrelated"   // a block that cannot be answered by control id
	EventOutside       Event = "outside"        // a whole frame outside a session: ignored, never acknowledged
	EventKeepAlive     Event = "keep-alive"     // an empty session or a heartbeat
)

// Remedy is what an operator can do about an event that happens again and
// again; empty for events that need nothing.
func (e Event) Remedy() string {
	switch e {
	case EventChecksum:
		return "look at the cable or the serial converter; the quirk no-checksum accepts frames without or with wrong checksums"
	case EventFrameNumber:
		return "the quirk any-frame-number accepts frames with any number"
	case EventOutside:
		return "the quirk implicit-session accepts frames without ENQ"
	case EventContention:
		return "the quirk ack-first answers the instrument's bid at once"
	default:
		return ""
	}
}

// Note tells host of a quirk or an event when it is a [Meter].
func Note(host Host, event Event) {
	if m, ok := host.(Meter); ok {
		m.Count(event)
	}
}

// NoteQuirk tells host, when it is a [Meter], that a tolerance was used.
func NoteQuirk(host Host, name string) {
	if m, ok := host.(Meter); ok {
		m.Quirk(name)
	}
}

// Options are what only configuration can know of one instrument. The zero
// value is a standard instrument; limits of zero take the defaults below.
type Options struct {
	Quirks         []string       // names from the tables of the protocols in use
	MaxMessage     int            // bytes of one message; 0 = DefaultMaxMessage
	MaxFrame       int            // bytes of one ASTM frame's text; 0 = DefaultMaxFrame
	MaxFrames      int            // frames of one ASTM message; 0 = DefaultMaxFrames
	MessageTimeout time.Duration  // from a message's first byte to its last; 0 = DefaultMessageTimeout
	Role           Role           // which side of a contention we are; "" = RoleHost
	SendFrame      int            // bytes of text in a frame we send; 0 = 240 (E1381-95)
	Location       *time.Location // zone of times without one; nil = UTC
	Charset        string         // overrides what the message says; "" = trust it
	Fallback       string         // charset of bytes that no message explains; "" = windows-1252
	DecimalComma   bool           // "5,9" is a number and "161.152" has a thousands point
	ThousandsComma bool           // "161,152" is a number; not together with DecimalComma
	SpecimenPath   []string       // where the specimen id is, first non-empty wins: "O.4.3", "SPM-2/[0-9]{6,}$"; see [Place]
	CodeComponent  int            // component of R.3 or OBX-3 that is the test code; 0 = by the protocol's rule
	AckMode        string         // HL7: "" or auto, original, enhanced, always_aa, never
	StoreFailure   string         // HL7: "" or close, reject
	CommitAck      string         // MLLP release 2: "" or off, send, expect, both
	Continuation   string         // HL7 DSC: "" or hl7, separate (each message is complete by itself)
}

// Role is the side of a contention that we play (LIS01-A2 §6.2.7).
type Role string

// The roles.
const (
	RoleHost       Role = "host"       // yields to the instrument
	RoleInstrument Role = "instrument" // bids again after a second
)

// The limits that a zero in [Options] means.
const (
	DefaultMaxMessage     = 10 << 20
	DefaultMaxFrame       = 1 << 20
	DefaultMaxFrames      = 100_000
	DefaultMessageTimeout = time.Minute
)

// WithDefaults is o with the default limits in place of zeros.
func (o Options) WithDefaults() Options {
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.MaxFrames == 0 {
		o.MaxFrames = DefaultMaxFrames
	}
	if o.MessageTimeout == 0 {
		o.MessageTimeout = DefaultMessageTimeout
	}
	if o.Role == "" {
		o.Role = RoleHost
	}
	if o.SendFrame == 0 {
		o.SendFrame = 240
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	return o
}

// Comma is what the options say of a comma in a number.
func (o Options) Comma() Comma {
	switch {
	case o.DecimalComma:
		return CommaDecimal
	case o.ThousandsComma:
		return CommaThousands
	}
	return CommaUnknown
}

// Has reports whether the quirk is switched on.
func (o Options) Has(quirk string) bool { return slices.Contains(o.Quirks, quirk) }
