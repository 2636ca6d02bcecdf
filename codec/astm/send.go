package astm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// The sender's timers and limits (LIS01-A2 §6.5.2, §6.2).
const (
	bidTimer          = 15 * time.Second // §6.5.2.1: ENQ sent
	busyPause         = 10 * time.Second // §6.2.6: NAK to ENQ
	instrumentPause   = time.Second      // §6.2.7.1: both bid, the instrument goes first
	hostPause         = 20 * time.Second // §6.5.2.2: both bid, the host waits for the instrument's next ENQ
	replyTimer        = 15 * time.Second // §6.5.2.3: frame sent
	transmissions     = 6                // §6.5.1.2: of one frame
	enqsThatInterrupt = 3                // as replies to frames in a row: the other side bids
)

// errNothing is a message without a byte.
var errNothing = fmt.Errorf("astm: nothing to send: %w", codec.ErrReject)

// sender is one call of Send.
type sender struct {
	o      *codec.Options
	conn   *leash
	tokens *codec.Tokens
}

// Send is the sender's side (LIS01-A2 §6.2 to §6.4): one session with one
// message, a record to a frame. Control characters that a frame may not hold
// are sent as the escape &Xhh&. It bids until ctx ends while the other side is
// busy. Its errors wrap codec.ErrNoReply, codec.ErrRefused (six transmissions
// of a frame), codec.ErrYield (the other side goes first; its ENQ has been
// given back to conn) or are those of ctx or conn. After every error the
// message has to be sent again as a whole.
func (p *Protocol) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	text := clean(raw)
	if len(text) == 0 {
		return errNothing
	}
	l := &leash{Conn: conn}
	stop := context.AfterFunc(ctx, l.pull)
	defer stop()
	s := &sender{o: &p.o, conn: l, tokens: codec.NewTokens(l, oneByte, 64)}
	defer s.tokens.Release()
	if err := s.bid(ctx); err != nil {
		return s.because(ctx, err)
	}
	if p.o.Has(quirkAckEveryControl) {
		return s.because(ctx, s.envelope(text))
	}
	if err := s.transfer(chop(text, p.o.SendFrame)); err != nil {
		return s.because(ctx, err)
	}
	// Everything has been acknowledged: an EOT that cannot be written changes
	// nothing, the next use of conn will tell.
	_ = s.put([]byte{eot})
	return nil
}

// because is err, or why ctx ended when that was the reason: then the line is
// released.
func (s *sender) because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !codec.IsTimeout(err) && !errors.Is(err, codec.ErrNoReply) {
		return err
	}
	if !errors.Is(err, codec.ErrNoReply) { // that one has sent EOT
		if err := s.put([]byte{eot}); err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	return fmt.Errorf("astm: send: %w", ctx.Err())
}

// bid asks for the line until it is ours (LIS01-A2 §6.2).
func (s *sender) bid(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("astm: bid: %w", err)
		}
		s.drain()
		if err := s.put([]byte{enq}); err != nil {
			return err
		}
		switch c, err := s.await(bidTimer, ack, nak, enq); {
		case codec.IsTimeout(err):
			return s.abort(fmt.Errorf("astm: bid: %w: 15 s after ENQ", codec.ErrNoReply))
		case err != nil:
			return err
		case c == ack:
			return nil
		case c == nak:
			// The other side is busy. It may bid itself in the meantime.
			if err := s.listen(busyPause); err != nil {
				return err
			}
		case s.o.Role == codec.RoleInstrument:
			if err := s.quiet(instrumentPause); err != nil {
				return err
			}
		case s.o.Has(quirkAckFirst):
			return s.yield()
		default:
			if err := s.listen(hostPause); err != nil {
				return err
			}
		}
	}
}

// transfer sends the frames (LIS01-A2 §6.3).
func (s *sender) transfer(frames []chunk) error {
	var b []byte
	for i, f := range frames {
		b = appendFrame(b[:0], byte((i+1)%8), f.text, f.terminator)
		interrupt, err := s.frame(b)
		if err != nil {
			return err
		}
		// The receiver asks for the line (§6.3.5). With a frame left it is
		// sooner free by finishing than by sending all again.
		if left := len(frames) - i - 1; interrupt && left > 1 {
			return s.abort(fmt.Errorf("astm: interrupted: %w", codec.ErrYield))
		}
	}
	return nil
}

// frame sends one frame until it is accepted, at most six times. It reports
// whether the receiver wants the line.
func (s *sender) frame(b []byte) (interrupt bool, err error) {
	enqs := 0
	for range transmissions {
		s.drain()
		if err := s.put(b); err != nil {
			return false, err
		}
		c, err := s.await(replyTimer)
		switch {
		case codec.IsTimeout(err):
			return false, s.abort(fmt.Errorf("astm: frame: %w: 15 s after it was sent", codec.ErrNoReply))
		case err != nil:
			return false, err
		case c == ack:
			return false, nil
		case c == eot:
			return true, nil
		case c != enq: // NAK or anything else (§6.3.4.2)
			enqs = 0
			continue
		}
		if enqs++; enqs == enqsThatInterrupt {
			if err := s.put([]byte{eot}); err != nil {
				return false, err
			}
			return false, s.yield()
		}
	}
	return false, s.abort(fmt.Errorf("astm: frame: %w six times", codec.ErrRefused))
}

// envelope sends what a Snibe Maglumi X3 sends and takes: STX, the records
// with ETX, and EOT, each of which wants an ACK.
func (s *sender) envelope(text []byte) error {
	text = append(bytes.Clone(text), etx)
	for range transmissions {
		if _, err := s.frame([]byte{stx}); err != nil {
			return err
		}
		s.drain()
		if err := s.put(text); err != nil {
			return err
		}
		switch c, err := s.await(replyTimer); {
		case codec.IsTimeout(err):
			return s.abort(fmt.Errorf("astm: block: %w: 15 s after ETX", codec.ErrNoReply))
		case err != nil:
			return err
		case c == ack:
			// The message is acknowledged; what becomes of the EOT changes
			// nothing, but its ACK must not be left on the line.
			if s.put([]byte{eot}) == nil {
				_, _ = s.await(replyTimer, ack)
			}
			return nil
		}
	}
	return s.abort(fmt.Errorf("astm: block: %w six times", codec.ErrRefused))
}

// abort releases the line because of why.
func (s *sender) abort(why error) error {
	if err := s.put([]byte{eot}); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// yield gives the other side's ENQ back to the Conn.
func (s *sender) yield() error {
	s.tokens.Release()
	s.conn.Unread([]byte{enq})
	return fmt.Errorf("astm: %w", codec.ErrYield)
}
