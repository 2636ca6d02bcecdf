package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// result is what Publish said to one of several.
type result struct {
	p       bridge.Publication
	receipt bridge.Receipt
	err     error
}

// together publishes all of them so that they wait for one another, in their
// order, and releases them when extra, if any, has been called.
func together(t *testing.T, b *broker.Bus, all []bridge.Publication, extra func()) []result {
	t.Helper()
	release := b.Hold(all[0].Stream)
	answers := make([]chan result, len(all))
	for i, p := range all {
		answers[i] = make(chan result, 1)
		go func() {
			r, err := b.Publish(t.Context(), p)
			answers[i] <- result{p, r, err}
		}()
		eventually(t, 5*time.Second, "it waits", func() bool { return b.Queued(p.Stream) == i+1 })
	}
	if extra != nil {
		extra()
	}
	release()
	out := make([]result, len(all))
	for i, a := range answers {
		out[i] = <-a
	}
	return out
}

func some(n int) []bridge.Publication {
	all := make([]bridge.Publication, n)
	for i := range all {
		all[i] = raw(i)
		all[i].Body = fmt.Appendf(nil, "H|\\^&|||xn1000|%d\rL|1|N\r", i)
	}
	return all
}

// holds checks that a receipt names the message that was published.
func holds(t *testing.T, b *broker.Bus, r result) {
	t.Helper()
	if r.err != nil {
		t.Errorf("%s: %v", r.p.ID, r.err)
		return
	}
	s, err := b.JetStream().Stream(t.Context(), r.p.Stream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), r.receipt.Sequence)
	if err != nil {
		t.Errorf("%s at %d: %v", r.p.ID, r.receipt.Sequence, err)
		return
	}
	if m.Header.Get(subjects.HeaderMsgID) != r.p.ID || string(m.Data) != string(r.p.Body) || m.Subject != r.p.Subject {
		t.Errorf("%s: its receipt names another message", r.p.ID)
	}
}

func TestCommitOneBatch(t *testing.T) {
	b := open(t, config(t))
	publish(t, b, raw(1000))
	for i, r := range together(t, b, some(50), nil) {
		holds(t, b, r)
		if want := uint64(i + 2); r.receipt.Sequence != want || r.receipt.Duplicate {
			t.Errorf("got %+v, want sequence %d: the order of the queue", r.receipt, want)
		}
	}
	if n := b.Batches(subjects.StreamRaw); n != 1 {
		t.Errorf("%d batches, want one", n)
	}
}

func TestCommitFewGoSingly(t *testing.T) {
	b := open(t, config(t))
	for i := range 30 { // one after the other: nobody waits
		publish(t, b, raw(i))
	}
	for _, r := range together(t, b, some(34)[30:], nil) {
		holds(t, b, r)
	}
	if n := b.Batches(subjects.StreamRaw); n != 0 {
		t.Errorf("%d batches for few, want none", n)
	}
}

// A batch is bounded in messages and in bytes; the rest goes with the next.
func TestCommitBounds(t *testing.T) {
	b := open(t, config(t))
	all := some(60)
	for i := range all {
		all[i].Body = append(all[i].Body, make([]byte, 250<<10)...) // 15 MB in all
	}
	for _, r := range together(t, b, all, nil) {
		holds(t, b, r)
	}
	if n := b.Batches(subjects.StreamRaw); n != 2 {
		t.Errorf("%d batches for 15 MB, want 2 of at most 8 MiB", n)
	}
	release := b.Hold(subjects.StreamRaw)
	var wg sync.WaitGroup
	for _, p := range some(1160)[60:] {
		wg.Go(func() { publish(t, b, p) })
	}
	eventually(t, 5*time.Second, "all wait", func() bool { return b.Queued(subjects.StreamRaw) == 1100 })
	release()
	wg.Wait()
	if n := b.Batches(subjects.StreamRaw); n != 4 {
		t.Errorf("%d batches for 1100 messages, want 2 more", n-2)
	}
	big := raw(5000)
	big.Body = make([]byte, 1<<20)
	release = b.Hold(subjects.StreamRaw)
	publish(t, b, big) // a large one pays for itself and waits for nobody
	release()
}

// One duplicate fails a batch as a whole; everyone gets what it would alone.
func TestCommitDuplicate(t *testing.T) {
	b := open(t, config(t))
	m := nats.NewMsg(subjects.Raw("main", "xn1000"))
	m.Header.Set(subjects.HeaderMsgID, "id-7") // not through the committer: it does not know
	if _, err := b.JetStream().PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for i, r := range together(t, b, some(20), nil) {
		if r.receipt.Duplicate != (i == 7) {
			t.Errorf("%s: got %+v", r.p.ID, r.receipt)
		}
		if i != 7 {
			holds(t, b, r)
		} else if r.receipt.Sequence != 1 {
			t.Errorf("the duplicate: got %+v, want the first one's sequence", r.receipt)
		}
	}
	if got := messages(t, b, subjects.StreamRaw); got != 20 {
		t.Errorf("%d messages, want 20", got)
	}
}

// Two that wait with the same id are one message.
func TestCommitSameIDTwice(t *testing.T) {
	b := open(t, config(t))
	var second bridge.Receipt
	all := some(20)
	got := together(t, b, all, func() { second = publish(t, b, all[5]) })
	for _, r := range got {
		holds(t, b, r)
	}
	if second.Sequence != got[5].receipt.Sequence || second.Duplicate == got[5].receipt.Duplicate {
		t.Errorf("got %+v and %+v, want one of them a duplicate of the other", second, got[5].receipt)
	}
	if n := messages(t, b, subjects.StreamRaw); n != 20 {
		t.Errorf("%d messages, want 20", n)
	}
}

func TestCommitOneTooLarge(t *testing.T) {
	b := open(t, config(t))
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.MaxMsgSize = 1000
	if _, err := b.JetStream().UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all := some(20)
	all[3].Body = make([]byte, 2000)
	for i, r := range together(t, b, all, nil) {
		if i != 3 {
			holds(t, b, r)
		} else if !errors.Is(r.err, bridge.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", r.err)
		}
	}
}

func TestCommitOneLeaves(t *testing.T) {
	b := open(t, config(t))
	ctx, cancel := context.WithCancel(t.Context())
	left := raw(1000)
	gone := make(chan error, 1)
	all := some(20)
	got := together(t, b, all, func() {
		go func() {
			_, err := b.Publish(ctx, left)
			gone <- err
		}()
		eventually(t, 5*time.Second, "it waits", func() bool { return b.Queued(left.Stream) == 21 })
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	for _, r := range got {
		holds(t, b, r)
	}
	if n := messages(t, b, subjects.StreamRaw); n != 20 {
		t.Errorf("%d messages, want 20 without the one that left the queue", n)
	}
	if r := publish(t, b, left); r.Duplicate {
		t.Error("the repeat of what was not stored is no duplicate")
	}
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestCommitClose(t *testing.T) {
	b := open(t, config(t))
	release := b.Hold(subjects.StreamRaw)
	answers := make(chan error, 20)
	for _, p := range some(20) {
		go func() {
			_, err := b.Publish(t.Context(), p)
			answers <- err
		}()
	}
	eventually(t, 5*time.Second, "all wait", func() bool { return b.Queued(subjects.StreamRaw) == 20 })
	shut(t, b)
	for range 20 {
		if err := <-answers; !errors.Is(err, broker.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
	release() // starts nothing any more
}

// A stream without the flag, and a server that knows none, take everything
// one by one.
func TestCommitWithoutBatches(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(0)
	b := open(t, c)
	conf := stream(t, b, subjects.StreamRaw).Config
	if conf.AllowAtomicPublish = false; !replaced(t, b, conf) {
		t.Fatal("the flag cannot be taken away")
	}
	for _, r := range together(t, b, some(30), nil) {
		holds(t, b, r)
	}
	release := b.Hold(subjects.StreamRaw)
	defer release()
	publish(t, b, raw(1000)) // from now on nobody waits
	if !strings.Contains(l.String(), "takes no batches") {
		t.Error("nothing was said")
	}
}

// replaced removes a stream and makes it with other settings.
func replaced(t *testing.T, b *broker.Bus, c jetstream.StreamConfig) bool {
	t.Helper()
	c.Metadata = nil
	if err := b.JetStream().DeleteStream(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	s, err := b.JetStream().CreateStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config.AllowAtomicPublish == c.AllowAtomicPublish
}
