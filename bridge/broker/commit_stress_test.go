package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// body says the id of its message over and over.
func body(id string) []byte { return bytes.Repeat([]byte(id+"\r"), 20) }

// readBack reads all of LAB_RAW: sequences by id. A body that is not its id's
// was changed after Publish had returned, or before.
func readBack(t *testing.T, b *broker.Bus) map[string][]uint64 {
	t.Helper()
	all := map[string][]uint64{}
	last := stream(t, b, subjects.StreamRaw).State.LastSeq
	read, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= last; n++ {
		m, err := read.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		id := m.Header.Get(subjects.HeaderMsgID)
		if !bytes.Equal(m.Data, body(id)) {
			t.Errorf("%s has another body", id)
		}
		all[id] = append(all[id], n)
	}
	return all
}

// play publishes perPlayer messages by each of players, in order, repeating
// each until it is confirmed, and checks at the end that all are there once
// and in order. The body is overwritten as soon as Publish has returned.
func play(t *testing.T, b *broker.Bus, players, perPlayer int, patience func() time.Duration) {
	t.Helper()
	send(t, b, players, perPlayer, patience)
	check(t, b, players, perPlayer)
}

func send(t *testing.T, b *broker.Bus, players, perPlayer int, patience func() time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for player := range players {
		wg.Go(func() {
			for n := range perPlayer {
				p := raw(0)
				p.ID = fmt.Sprintf("%d-%d", player, n)
				for ok := false; !ok; {
					p.Body = body(p.ID)
					ok = attempt(t, b, p, patience())
					clear(p.Body)
				}
			}
		})
	}
	wg.Wait()
}

func check(t *testing.T, b *broker.Bus, players, perPlayer int) {
	t.Helper()
	all := readBack(t, b)
	if len(all) != players*perPlayer {
		t.Errorf("%d messages, want %d", len(all), players*perPlayer)
	}
	for player := range players {
		last := uint64(0)
		for n := range perPlayer {
			at := all[fmt.Sprintf("%d-%d", player, n)]
			if len(at) != 1 || at[0] <= last {
				t.Fatalf("player %d message %d at %v after %d, want once and in order", player, n, at, last)
			}
			last = at[0]
		}
	}
}

func attempt(t *testing.T, b *broker.Bus, p bridge.Publication, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := b.Publish(ctx, p)
	if err != nil {
		<-time.After(time.Millisecond) // as Store does, and longer
	}
	return err == nil
}

// Callers give up at any moment: waiting, in a batch, being written.
func TestCommitImpatience(t *testing.T) {
	b := open(t, config(t))
	play(t, b, 60, 20, func() time.Duration {
		if rand.IntN(3) > 0 {
			return 5 * time.Second
		}
		return time.Duration(rand.IntN(int(8 * time.Millisecond)))
	})
	if b.Batches(subjects.StreamRaw) == 0 {
		t.Error("no batch: nothing was tested")
	}
}

// The server is replaced in mid-batch: what was not confirmed is repeated.
func TestCommitRestart(t *testing.T) {
	b := open(t, config(t))
	sent, over := make(chan struct{}), make(chan struct{})
	restarts := 0
	go func() {
		defer close(over)
		for range 3 {
			before := b.Batches(subjects.StreamRaw)
			for b.Batches(subjects.StreamRaw) < before+2 {
				select {
				case <-sent:
					return
				case <-time.After(time.Millisecond):
				}
			}
			if err := b.Restart(t.Context()); err != nil {
				t.Error(err)
			}
			restarts++
		}
	}()
	send(t, b, 60, 40, func() time.Duration { return 500 * time.Millisecond })
	close(sent)
	<-over
	if restarts == 0 {
		t.Error("no restart: nothing was tested")
	}
	eventually(t, 10*time.Second, "it is well", func() bool { return b.Healthy() == nil })
	check(t, b, 60, 40)
}
