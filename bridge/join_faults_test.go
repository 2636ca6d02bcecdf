package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// More bytes than the instrument's messages may have are told as oversize.
func TestPartsOversize(t *testing.T) {
	j := startJoins(t, strings.Replace(partsLab, "protocol: hl7", "protocol: hl7, max_message: 1KiB, max_frame: 240B", 1))
	long := "NTE|1||" + strings.Repeat("x", 400)
	p, last := j.call("h1"), part("A", "5", "4", "", long)
	j.accept(p, part("A", "1", "", "1", order("S"), long), part("A", "2", "1", "2", long), part("A", "3", "2", "3", long), part("A", "4", "3", "4", long))
	gets := j.gets.Load()
	j.accept(p, last)
	if n := j.gets.Load() - gets; n != 2 {
		t.Errorf("%d parts were read, want 2: the message is over the limit then", n)
	}
	j.accept(p, last)
	j.want("part", "part", "part", "part", "failed oversize")
	if f := j.derived()[4].failure; f.Bytes < 1200 || !slices.Equal(f.Parts, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("failed as %+v", f)
	}
}

// The same for the number of parts, whose sequences must fit the headers that
// JetStream takes.
func TestPartsTooMany(t *testing.T) {
	inBubble(t, func(b *bubble) {
		chain := []string{part("A", "0", "", "p0", order("S"))}
		for n := 1; n < bridge.MaxParts; n++ {
			chain = append(chain, part("A", fmt.Sprint(n), fmt.Sprint("p", n-1), fmt.Sprint("p", n), value("A", fmt.Sprint(n))))
		}
		over := part("A", "x", fmt.Sprint("p", bridge.MaxParts-1), "more", value("B", "1"))
		b.send(append(chain, over, over, part("A", "y", "more", "", value("B", "2")))...)
		got := b.outcomes()
		if last := got[len(got)-3:]; !slices.Equal(last, []string{"part", "failed oversize", "failed incomplete"}) {
			b.t.Errorf("ends in %v", last)
		}
		for _, raw := range b.in(subjects.StreamRaw) {
			size := 0
			for name, value := range raw.Header {
				size += len(name) + len(value) + 4
			}
			if size > 32<<10 {
				b.t.Fatalf("headers of %d bytes: JetStream takes 64 KiB", size)
			}
		}
	})
}

// unreadable is a shelf that does not give raw messages back.
type unreadable struct {
	*shelf
	knob
}

// knob is an error that is switched on and off.
type knob struct {
	lock sync.Mutex
	err  error
}

func (k *knob) set(err error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.err = err
}

func (k *knob) failing() error {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.err
}

func (u *unreadable) Get(ctx context.Context, stream string, sequence uint64) (bridge.Stored, error) {
	if err := u.failing(); err != nil && stream == subjects.StreamRaw {
		return bridge.Stored{}, err
	}
	return u.shelf.Get(ctx, stream, sequence)
}

// A store that cannot be read now is a refusal: nothing of the last part is
// kept, and its repeat is joined when the store is well.
func TestPartsUnreadable(t *testing.T) {
	for name, failure := range map[string]error{"time-out": context.DeadlineExceeded, "not stored": bridge.ErrNotStored} {
		t.Run(name, func(t *testing.T) {
			r, err := bridge.Load("instruments.yaml", []byte(partsLab), all.Protocols)
			if err != nil {
				t.Fatal(err)
			}
			u := &unreadable{shelf: newShelf(16 << 20)}
			j := joinsOn(t, u, u.shelf, r, time.Second)
			p := j.call("h1")
			j.accept(p, part("A", "1", "", "1", order("S1")))
			last := part("A", "2", "1", "", value("B", "2"))
			u.set(failure)
			if code := p.deliver(t, last); code != "" {
				t.Fatalf("answered %q, want a hang-up", code)
			}
			j.want("part")
			if n := len(j.in(subjects.StreamRaw)); n != 1 {
				t.Errorf("%d raw, want the first part only", n)
			}
			if c := j.counters("h1"); c.Refused[bridge.RefusedStore] != 1 {
				t.Errorf("refused %v, want once for the store", c.Refused)
			}
			u.set(nil)
			j.accept(j.call("h1"), last)
			j.want("part", "result [1 2] S1:B=2")
		})
	}
}

// The store fails while the last part is stored: the repeat joins.
func TestPartsStoreFails(t *testing.T) {
	r, err := bridge.Load("instruments.yaml", []byte(partsLab), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(16 << 20)
	j := joinsOn(t, s, s, r, 100*time.Millisecond)
	p := j.call("h1")
	j.accept(p, part("A", "1", "", "1", order("S1")))
	j.mu.Lock()
	j.fail = func(_ int, p bridge.Publication) error {
		if p.Stream == subjects.StreamParsed {
			return errors.New("no")
		}
		return nil
	}
	j.mu.Unlock()
	last := part("A", "2", "1", "", value("B", "2"))
	if code := p.deliver(t, last); code != "" {
		t.Fatalf("answered %q, want a hang-up", code)
	}
	j.mu.Lock()
	j.fail = nil
	j.mu.Unlock()
	j.accept(j.call("h1"), last)
	if diff := cmp.Diff([]string{"part", "result [1 3] S1:B=2"}, j.outcomes()); diff != "" {
		t.Error(diff)
	}
}

// Joining is charged like decoding, and given back.
func TestPartsMemory(t *testing.T) {
	note := "NTE|1||" + strings.Repeat("x|", bridge.FreeBytes/2)
	parts := []string{part("A", "1", "", "1", order("S1"), note), part("A", "2", "1", "", value("B", "2"))}
	j := startJoins(t, partsLab)
	p := j.call("h1")
	j.accept(p, parts...)
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	if n := bridge.MemoryInUse(j.server); n != 0 {
		t.Errorf("%d bytes are still charged", n)
	}

	s := newShelf(16 << 20)
	j = joinsOn(t, s, s, j.registry, time.Second)
	p = j.call("h1")
	j.accept(p, parts[0])
	bridge.Occupy(j.server)
	if code := p.deliver(t, parts[1]); code != "" {
		t.Fatalf("answered %q while the memory is in use, want a hang-up", code)
	}
	if c := j.counters("h1"); c.Refused[bridge.RefusedMemory] != 1 {
		t.Errorf("refused %v, want once for the memory", c.Refused)
	}
	j.want("part")
}

// A part that was damaged since makes what was joined of it damaged: it is
// not published again.
func TestPartsDamaged(t *testing.T) {
	for name, spoil := range map[string]func(*shelf){
		"changed": func(s *shelf) { s.stored[0].Body = bytes.Replace(s.stored[0].Body, []byte("S1"), []byte("S2"), 1) },
		"gone":    func(s *shelf) { s.lost = map[uint64]bool{1: true} },
		"another instrument's": func(s *shelf) {
			s.stored[0].Header[subjects.HeaderInstrument] = "h2"
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := startJoins(t, partsLab)
			j.accept(j.call("h1"), part("A", "1", "", "1", order("S1")), part("A", "2", "1", "", value("B", "2")))
			spoil(j.shelf)
			r := bridge.Replay{Archive: j.shelf, Registry: j.registry, Selection: bridge.Selection{From: 2}}
			for f, err := range r.Messages(t.Context()) {
				if err != nil || f.Verdict != bridge.Damaged || !errors.Is(f.Err, bridge.ErrDamaged) || !strings.Contains(privacytest.Error(f.Err), "part 1") {
					t.Errorf("%s %v %v, want damaged for part 1", f.Verdict, f.Err, err)
				}
			}
		})
	}
}
