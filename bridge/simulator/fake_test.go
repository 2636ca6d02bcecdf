package simulator_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// link is a small stop-and-wait protocol with the frames of ASTM, or with
// blocks that are answered by name, as the two real ones are.
type link struct{ blocks bool }

func (link) Name() string                         { return "fake" }
func (link) Parse([]byte) (*codec.Message, error) { return &codec.Message{}, nil }

// Serve takes what the bridge sends: one byte 'm' is a message.
func (link) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	b := make([]byte, 1)
	if _, err := conn.Read(b); err != nil {
		return err
	}
	if b[0] == 'm' {
		return host.Receive(ctx, codec.Delivery{Raw: b})
	}
	return nil
}

const replyTimer = 15 * time.Second

func (k link) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	if bytes.HasPrefix(raw, []byte("reject")) {
		return codec.ErrReject
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	if k.blocks {
		return k.sendBlock(conn, raw)
	}
	if err := k.bid(conn); err != nil {
		return err
	}
	number := 0
	for chunk := range slices.Chunk(raw, 20) {
		number++
		frame := append([]byte{2, byte('0' + number%8)}, chunk...)
		if frame = append(frame, 0x17); bytes.HasSuffix(raw, chunk) && number*20 >= len(raw) {
			frame[len(frame)-1] = 3
		}
		frame = fmt.Appendf(frame, "%02X\r\n", sum(frame[1:]))
		if err := k.frame(conn, frame); err != nil {
			_, _ = conn.Write([]byte{4})
			return err
		}
	}
	_, err := conn.Write([]byte{4})
	return err
}

func (k link) bid(conn codec.Conn) error {
	for {
		r, err := k.exchange(conn, []byte{5})
		switch {
		case err != nil:
			_, _ = conn.Write([]byte{4})
			return err
		case r == 6:
			return nil
		case r == 5:
			time.Sleep(time.Second) // in a bubble
		default:
			return codec.ErrRefused
		}
	}
}

func (k link) frame(conn codec.Conn, frame []byte) error {
	for range 6 {
		if r, err := k.exchange(conn, frame); err != nil || r == 6 {
			return err
		}
	}
	return codec.ErrRefused
}

func (link) exchange(conn codec.Conn, p []byte) (byte, error) {
	if _, err := conn.Write(p); err != nil {
		return 0, err
	}
	return readReply(conn)
}

func readReply(conn codec.Conn) (byte, error) {
	b := make([]byte, 1)
	if err := conn.SetReadDeadline(time.Now().Add(replyTimer)); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(conn, b)
	if codec.IsTimeout(err) {
		err = codec.ErrNoReply
	}
	return b[0], err
}

// sendBlock ignores answers that name another message.
func (link) sendBlock(conn codec.Conn, raw []byte) error {
	if _, err := conn.Write(slices.Concat([]byte{0x0b}, raw, []byte{0x1c, 0x0d})); err != nil {
		return err
	}
	var got []byte
	for {
		b, err := readReply(conn)
		if err != nil {
			return err
		}
		if got = append(got, b); bytes.HasSuffix(got, slices.Concat([]byte{0x0b, raw[0]}, raw[len(raw)-1:], []byte{0x1c})) {
			return nil
		}
	}
}

func sum(p []byte) byte {
	var s byte
	for _, b := range p {
		s += b
	}
	return s
}

// fakeBridge takes what a simulated instrument sends and remembers it.
type fakeBridge struct {
	answer func(n int) byte // to the n-th complete message (from 1); nil = ACK
	enq    func(n int) byte // to the n-th ENQ (from 1); nil = ACK

	mu         sync.Mutex
	stored     [][]byte
	received   int // messages that were complete, stored or not
	bids       int
	restarts   int
	incomplete int
	bad        int
	repeated   int
	noise      int
	reads      int // Read calls that gave bytes
	conns      int
	hungUp     int
}

func (b *fakeBridge) serve(conn net.Conn) {
	b.count(&b.conns)
	defer b.count(&b.hungUp)
	defer conn.Close()
	r := bufio.NewReader(counting{conn, b})
	var message, last []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			break
		}
		reply := byte(0)
		switch c {
		case 5:
			if reply = b.bid(len(message) > 0); reply == 6 {
				message, last = nil, nil
			}
		case 2:
			frame, err := r.ReadBytes('\n')
			if err != nil {
				message = append(message, 'x')
				continue
			}
			reply = b.frame(&message, &last, frame)
		case 4:
			if len(message) > 0 {
				b.count(&b.incomplete)
			}
			message = nil
		case 0x0b:
			if block, err := r.ReadBytes(0x1c); err == nil {
				block = block[:len(block)-1]
				b.store(block)
				_, _ = conn.Write([]byte{0x0b, block[0], block[len(block)-1], 0x1c, 0x0d})
			} else {
				b.count(&b.incomplete)
			}
		case '\r':
		default:
			b.count(&b.noise)
		}
		if reply != 0 {
			if _, err := conn.Write([]byte{reply}); err != nil {
				break
			}
		}
	}
	if len(message) > 0 {
		b.count(&b.incomplete)
	}
}

func (b *fakeBridge) bid(open bool) byte {
	b.count(&b.bids)
	if open {
		b.count(&b.restarts)
	}
	if b.enq != nil {
		return b.enq(b.get(&b.bids))
	}
	return 6
}

func (b *fakeBridge) frame(message, last *[]byte, frame []byte) byte {
	n := len(frame)
	if n < 6 || fmt.Sprintf("%02X\r\n", sum(frame[:n-4])) != string(frame[n-4:]) {
		b.count(&b.bad)
		return 0x15
	}
	if bytes.Equal(frame, *last) {
		b.count(&b.repeated)
		return 6
	}
	whole := append(slices.Clone(*message), frame[1:n-5]...)
	if frame[n-5] == 3 {
		if reply := b.store(whole); reply != 6 {
			return reply
		}
		whole = nil
	}
	*last, *message = slices.Clone(frame), whole
	return 6
}

func (b *fakeBridge) store(raw []byte) byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received++
	if b.answer != nil {
		if reply := b.answer(b.received); reply != 6 {
			return reply
		}
	}
	privacytest.Message(raw)
	b.stored = append(b.stored, raw)
	return 6
}

func (b *fakeBridge) count(n *int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n++
}

func (b *fakeBridge) get(n *int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *n
}

type counting struct {
	io.Reader
	b *fakeBridge
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.b.count(&c.b.reads)
	}
	return n, err
}

// dial is an Instrument.Connect to b over net.Pipe; its sessions end with the
// connection.
func (b *fakeBridge) dial(wg *sync.WaitGroup) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		wg.Go(func() { b.serve(theirs) })
		return ours, nil
	}
}

var errDown = errors.New("bridge is down")
