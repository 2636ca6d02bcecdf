package bridge

import (
	"sync"
	"time"
)

// crew runs conversations. They need a deep stack, which would stay with a
// goroutine for as long as it lives; a connection waits in a goroutine of its
// own with a small one, and lends a deep one for each conversation. A member
// that nobody has needed for a while leaves.
type crew struct {
	calls chan func()
	over  chan struct{}
	wg    sync.WaitGroup
}

// crewPatience is how long a member waits for its next conversation.
const crewPatience = time.Second

func newCrew() *crew { return &crew{calls: make(chan func()), over: make(chan struct{})} }

// do runs f in a goroutine of the crew and returns when f has.
func (w *crew) do(f func()) {
	over := make(chan struct{})
	call := func() {
		defer close(over)
		f()
	}
	select {
	case w.calls <- call:
	default:
		w.wg.Go(func() { w.work(call) })
	}
	<-over
}

// work ends when no call has come for crewPatience, and with the crew.
func (w *crew) work(call func()) {
	patience := time.NewTimer(crewPatience)
	defer patience.Stop()
	for {
		call()
		patience.Reset(crewPatience)
		select {
		case call = <-w.calls:
		case <-patience.C:
			return
		case <-w.over:
			return
		}
	}
}

// close sends the crew home and waits for it. Nobody calls it any more.
func (w *crew) close() {
	close(w.over)
	w.wg.Wait()
}
