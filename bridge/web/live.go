package web

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of the live view.
const (
	liveEvery   = time.Second
	liveBeat    = 15 * time.Second // a comment, so that proxies and we notice a dead peer
	liveWrite   = 10 * time.Second
	maxWatchers = 64
)

// live sends frames to the pages that watch. A frame is rendered once a second
// for all of them, and only while somebody watches.
type live struct {
	render   func() ([]byte, error)
	watchers atomic.Int64

	mu    sync.Mutex
	at    time.Time
	frame []byte
}

func (l *live) current(now time.Time) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.at) < liveEvery*9/10 {
		return l.frame, nil
	}
	frame, err := l.render()
	if err == nil {
		l.at, l.frame = now, frame
	}
	return frame, err
}

// serve streams frames as server-sent events until the page is closed.
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	if l.watchers.Add(1) > maxWatchers {
		l.watchers.Add(-1)
		http.Error(w, "too many pages watch; close some", http.StatusServiceUnavailable)
		return
	}
	defer l.watchers.Add(-1)
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // nothing more is read
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var last []byte
	sent := time.Now()
	for {
		frame, err := l.current(time.Now())
		if err != nil {
			return
		}
		var text string
		switch {
		case !bytes.Equal(frame, last):
			text = fmt.Sprintf("event: overview\ndata: %s\n\n", frame)
		case time.Since(sent) >= liveBeat:
			text = ": still here\n\n"
		}
		if text != "" {
			_ = out.SetWriteDeadline(time.Now().Add(liveWrite))
			if _, err := w.Write([]byte(text)); err != nil || out.Flush() != nil {
				return
			}
			last, sent = frame, time.Now()
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
