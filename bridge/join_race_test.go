package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// blind is a shelf of which nobody can tell what it holds.
type blind struct {
	*shelf
	knob
}

func (s *blind) Span(ctx context.Context, stream string) (bridge.Span, error) {
	if err := s.failing(); err != nil {
		return bridge.Span{}, err
	}
	return s.shelf.Span(ctx, stream)
}

// As long as it is not known what came before the start, a part that
// continues another is refused, never failed: a first part is taken, and goes
// on where its repeat came.
func TestPartsBeforeTheStartUnknown(t *testing.T) {
	inBubble(t, func(b *bubble) {
		first := part("A", "1", "", "7", order("S1"))
		b.send(first)
		b.send(part("A", "2", "", "7", order("S2")))
		b.end()
		archive := &blind{shelf: b.shelf}
		archive.set(errors.New("not now"))
		b.bus = archive
		b.begin()
		last := part("A", "3", "7", "", value("T", "1"))
		if code := b.try(last); code != "" {
			b.t.Errorf("answered %q, want a hang-up", code)
		}
		p, hangUp := b.dial()
		defer hangUp()
		if code := p.deliver(b.t, first); code != "AA" {
			b.t.Errorf("a first part is answered %q, want AA", code)
		}
		b.want("part", "part")
		archive.set(nil)
		b.wait(2 * time.Second)
		if code := p.deliver(b.t, last); code != "AA" {
			b.t.Errorf("answered %q when all is known, want AA", code)
		}
		b.want("part", "part", "result [1 4] S1:T=1")
	})
}

// gated is a shelf that keeps messages with a text waiting.
type gated struct {
	*shelf
	text []byte
	open chan struct{}
}

func (s *gated) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if p.Stream == subjects.StreamRaw && bytes.Contains(p.Body, s.text) {
		<-s.open
	}
	return s.shelf.Publish(ctx, p)
}

// While one message that continues a part is being stored no other one is
// taken for that part; its repeat is alone then.
func TestPartsContinuedAtOnce(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.end()
		gate := &gated{shelf: b.shelf, text: []byte("||11|"), open: make(chan struct{})}
		b.bus = gate
		b.begin()
		b.send(part("A", "1", "", "7", order("S1")))
		one := make(chan string)
		go func() { one <- b.try(part("A", "2", "7", "", value("T", "11"))) }()
		synctest.Wait()
		other := part("A", "3", "7", "", value("T", "22"))
		if code := b.try(other); code != "" {
			b.t.Errorf("the other is answered %q, want a hang-up", code)
		}
		close(gate.open)
		if code := <-one; code != "AA" {
			b.t.Errorf("the first is answered %q, want AA", code)
		}
		b.send(other)
		b.want("part", "result [1 2] S1:T=11", "failed incomplete")
	})
}
