package astm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// The receiver's timers (LIS01-A2 §6.5.2).
const (
	receiveTimer = 30 * time.Second // §6.5.2.4: after a reply, until the next frame or EOT is whole
	writeTimer   = 10 * time.Second // a reply that the other side does not take
	recordTimer  = 2 * time.Second  // silence that ends an L record without CR, outside of frames
	firstRetry   = time.Second      // an unterminated message that cannot be stored is tried again
	lastRetry    = 10 * time.Second
)

// The reasons of an incomplete message.
var (
	errSilent  = fmt.Errorf("astm: %w: nothing came for 30 s", codec.ErrIncomplete)
	errTimeout = fmt.Errorf("astm: %w: the message timeout passed; see message_timeout", codec.ErrIncomplete)
	errStopped = fmt.Errorf("astm: %w: the host is stopping", codec.ErrIncomplete)
	errHungUp  = fmt.Errorf("astm: %w: the connection ended", codec.ErrIncomplete)
	errRestart = fmt.Errorf("astm: %w: a new session began", codec.ErrIncomplete)
	errEnded   = fmt.Errorf("astm: %w: the session ended", codec.ErrIncomplete)
	errNext    = fmt.Errorf("astm: %w: the next message began", codec.ErrIncomplete)
	errLarge   = fmt.Errorf("astm: %w: raise max_message or max_frame if the instrument is right", codec.ErrTooLarge)
)

// receiver is one call of Serve.
type receiver struct {
	o      *codec.Options
	conn   codec.Conn
	host   codec.Host
	split  *splitter
	tokens *codec.Tokens

	a         assembler
	began     time.Time    // when the open message began; zero = none is open
	replied   time.Time    // when the receive timer was set
	last      int          // number of the last accepted frame; -1 = none yet
	frame     []byte       // its bytes, to know it again
	partial   []byte       // text of a frame that was cut short
	refused   bool         // the last reply was NAK
	outOfTurn []byte       // bytes of the frame that was just refused for its number
	carried   int          // frames accepted in this session
	out       [1]byte      // the reply
	keeper    codec.Keeper // nil = the host is none
	given     int          // bytes of the open message that keeper has
	quirks    []string     // that the message in progress has needed
	next      codec.Frame  // what is known of the frame that will be accepted next

	// A frame that holds several messages of which some could not be stored
	// is refused, and those that were are not stored again when it comes back.
	kept      int
	keptFrame []byte
}

// Serve is the receiver's side (LIS01-A2 §6.3 to §6.5): one session, from ENQ
// to EOT, or one message outside of frames. It returns nil when the line is
// neutral. What was not complete when the session ended has been given to
// host.Incomplete; an error that wraps codec.ErrTooLarge is a message over
// the limits.
func (p *Protocol) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	s := newSplitter(p.o)
	r := &receiver{o: &p.o, conn: conn, host: host, split: s, last: -1}
	r.keeper, _ = host.(codec.Keeper)
	r.tokens = codec.NewTokens(conn, s.split, s.limit(p.o))
	for {
		if err := r.idle(ctx); err != nil {
			r.discard()
			return err
		}
		r.split.mode = neutral
		// In the middle of a line of noise an H begins no record: stay.
		if !r.split.midLine && r.tokens.Release() {
			return nil
		}
	}
}

// idle takes one token in the neutral state and serves what it opens.
func (r *receiver) idle(ctx context.Context) error {
	token, err := r.tokens.Next(time.Now().Add(receiveTimer))
	switch {
	case codec.IsTimeout(err):
		codec.Note(r.host, codec.EventNoise)
		r.discard()
		return nil
	case errors.Is(err, codec.ErrTooLarge):
		codec.Note(r.host, codec.EventOversize)
		return errLarge
	case err != nil:
		if len(r.tokens.Rest()) > 0 {
			codec.Note(r.host, codec.EventNoise)
		}
		return err
	}
	return r.open(ctx, token)
}

// open serves what a token in the neutral state opens.
func (r *receiver) open(ctx context.Context, token []byte) error {
	implicit := r.o.Has(quirkImplicitSession)
	switch k := r.split.kind; {
	case k == control && token[0] == enq:
		return r.bid(ctx)
	case k == control && token[0] == eot: // a stray one, or a keep-alive's
		return nil
	case k == control && implicit: // STX that stands alone
		r.quirk(quirkImplicitSession)
		r.begin()
		return r.envelopes(ctx, token)
	case k == whole && implicit:
		r.quirk(quirkImplicitSession)
		r.begin()
		return r.session(ctx, token)
	case k == whole: // the sender hears nothing and keeps its message
		codec.Note(r.host, codec.EventOutside)
		return nil
	case k == record:
		return r.unframed(ctx, token)
	case k == noise && len(bytes.Trim(token, "\x00\r\n")) == 0:
		if bytes.IndexByte(token, 0) >= 0 { // Abbott m2000
			r.quirk(quirkNul)
		}
		return nil
	}
	codec.Note(r.host, codec.EventNoise)
	return nil
}

// bid answers an ENQ in the neutral state (LIS01-A2 §6.2): NAK is the
// protocol's back-pressure, the instrument keeps its data and asks again.
func (r *receiver) bid(ctx context.Context) error {
	if r.busy(ctx) {
		return r.refuseBid()
	}
	r.begin()
	if err := r.reply(ack); err != nil {
		return err
	}
	if r.o.Has(quirkAckEveryControl) {
		r.quirk(quirkAckEveryControl)
		return r.envelopes(ctx, nil)
	}
	return r.session(ctx, nil)
}

func (r *receiver) busy(ctx context.Context) bool {
	return ctx.Err() != nil || r.host.Ready() != nil
}

func (r *receiver) refuseBid() error {
	codec.Note(r.host, codec.EventBusy)
	return r.reply(nak)
}

// begin sets up a new session: numbering starts again (LIS01-A2 §6.3.2.1).
func (r *receiver) begin() {
	codec.Note(r.host, codec.EventTransmission)
	r.reset()
	r.last = -1
	r.carried = 0
	r.refused = false
	r.outOfTurn = r.outOfTurn[:0]
	r.next = codec.Frame{}
	r.replied = time.Now()
	r.split.mode = framed
	if r.a.text == nil { // room for a usual message and a frame of the usual length
		r.a.text, r.frame = make([]byte, 0, 2<<10), make([]byte, 0, 256)
	}
}

// reset forgets the open message.
func (r *receiver) reset() {
	r.a = assembler{text: r.a.text[:0], log: r.a.log.Emptied()}
	r.given = 0
	r.began = time.Time{}
	r.partial = r.partial[:0]
	r.kept = 0
}

// deadline is when the receive timer or the message timeout expires.
func (r *receiver) deadline() time.Time {
	d := r.replied.Add(receiveTimer)
	if !r.began.IsZero() {
		if m := r.began.Add(r.o.MessageTimeout); m.Before(d) {
			return m
		}
	}
	return d
}

// reply writes one control character and sets the receive timer.
func (r *receiver) reply(c byte) error {
	if c == nak {
		codec.Note(r.host, codec.EventNakSent)
		r.next.Refused++
	}
	r.refused = c == nak
	r.replied = time.Now()
	if err := r.conn.SetWriteDeadline(r.replied.Add(writeTimer)); err != nil {
		return fmt.Errorf("astm: reply: %w", err)
	}
	r.out[0] = c
	if _, err := r.conn.Write(r.out[:]); err != nil {
		return fmt.Errorf("astm: reply: %w", err)
	}
	r.replied = time.Now()
	return nil
}
