package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The bounds of the live view.
const (
	liveEvery   = time.Second
	liveBeat    = 15 * time.Second // a comment, so that proxies and we notice a dead peer
	liveWrite   = 10 * time.Second
	maxWatchers = 64
)

// frame is a page as it stands now, piece by piece: what a browser gets is the
// pieces that changed since the last one. It holds no content of messages.
type frame map[string]json.RawMessage

// put adds a piece.
func (f frame) put(name string, value any) error {
	text, err := json.Marshal(value)
	f[name] = text
	return err
}

// since is what changed.
func (f frame) since(last frame) frame {
	changed := frame{}
	for name, text := range f {
		if !bytes.Equal(text, last[name]) {
			changed[name] = text
		}
	}
	return changed
}

// live is what the watchers of one page share: its frame is rendered once a
// second for all of them, and only while somebody watches.
type live struct {
	render   func() (frame, error)
	watchers int // guarded by the hub

	mu    sync.Mutex
	at    time.Time
	frame frame
}

func (l *live) current(now time.Time) (frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.at) < liveEvery*9/10 {
		return l.frame, nil
	}
	f, err := l.render()
	if err == nil {
		l.at, l.frame = now, f
	}
	return f, err
}

// hub is the pages that are watched, by name.
type hub struct {
	mu       sync.Mutex
	pages    map[string]*live
	watchers int
}

// join begins to watch a page; nil = too many watch already.
func (h *hub) join(name string, render func() (frame, error)) *live {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == maxWatchers {
		return nil
	}
	l := h.pages[name]
	if l == nil {
		if h.pages == nil {
			h.pages = make(map[string]*live)
		}
		l = &live{render: render}
		h.pages[name] = l
	}
	h.watchers++
	l.watchers++
	return l
}

func (h *hub) leave(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers--
	if l := h.pages[name]; l.watchers > 1 {
		l.watchers--
	} else {
		delete(h.pages, name)
	}
}

// watch streams the changes of a page as server-sent events until the browser
// leaves.
func (s *site) watch(w http.ResponseWriter, r *http.Request, name string, render func() (frame, error)) {
	l := s.hub.join(name, render)
	if l == nil {
		http.Error(w, "too many pages watch; close some", http.StatusServiceUnavailable)
		return
	}
	defer s.hub.leave(name)
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // nothing more is read
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var last frame
	sent := time.Now()
	for {
		now, err := l.current(time.Now())
		if err != nil {
			s.Log.Error("live view not rendered", "page", name, "error", err)
			return
		}
		text := ""
		if changed := now.since(last); len(changed) > 0 {
			body, err := json.Marshal(changed)
			if err != nil {
				return
			}
			text = fmt.Sprintf("event: update\ndata: %s\n\n", body)
		} else if time.Since(sent) >= liveBeat {
			text = ": still here\n\n"
		}
		if text != "" {
			_ = out.SetWriteDeadline(time.Now().Add(liveWrite))
			if _, err := w.Write([]byte(text)); err != nil || out.Flush() != nil {
				return
			}
			last, sent = now, time.Now()
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// pieces renders templates as the pieces of a frame, each under its own name.
func (s *site) pieces(f frame, data any, names ...string) error {
	for _, name := range names {
		var b bytes.Buffer
		if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
			return err
		}
		if err := f.put(name, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// fresh tells when what is stored must be read again: when the counters say
// that something happened, and for a while after, because what happened is
// stored a moment later.
type fresh struct {
	seen  string // of the counters
	until time.Time
}

const settles = 3 * time.Second

func (c *fresh) stale(seen string, now time.Time) bool {
	if seen != c.seen || c.until.IsZero() {
		c.seen, c.until = seen, now.Add(settles)
	}
	return now.Before(c.until)
}
