package bridge

import (
	"log/slog"
	"sync"
	"time"
)

// sayer says a thing once a minute and counts the rest, so that a fault or a
// flood of callers does not fill the log.
type sayer struct {
	log  *slog.Logger
	mu   sync.Mutex
	said map[string]*said
}

type said struct {
	at     time.Time
	silent int
}

const (
	sayEvery = time.Minute
	sayKeys  = 1024 // keys remembered; beyond it the oldest memory goes
)

func newSayer(log *slog.Logger) *sayer {
	return &sayer{log: log, said: make(map[string]*said)}
}

// warn logs unless key was logged within the last minute.
func (s *sayer) warn(key, message string, attrs ...any) {
	s.mu.Lock()
	now := time.Now()
	last := s.said[key]
	switch {
	case last == nil:
		if len(s.said) >= sayKeys {
			clear(s.said)
		}
		s.said[key] = &said{at: now}
	case now.Sub(last.at) < sayEvery:
		last.silent++
		s.mu.Unlock()
		return
	default:
		if last.silent > 0 {
			attrs = append(attrs, "suppressed", last.silent)
		}
		last.at, last.silent = now, 0
	}
	s.mu.Unlock()
	s.log.Warn(message, attrs...)
}
