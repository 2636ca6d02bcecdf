package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// serverLog is the nats-server's logger on slog. Its notices are our debug
// level; its trace, which would show message content, is never switched on.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error // the first Fatalf: the server did not start
}

func (l *serverLog) debug() bool { return l.log.Enabled(context.Background(), slog.LevelDebug) }

func (l *serverLog) say(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats-server: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(string, ...any)           {}
func (l *serverLog) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }

func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Maximum payloads over") || // 16 MiB is meant
		strings.HasPrefix(format, "Plaintext passwords detected") { // the file is protected, ours is random
		return
	}
	l.say(slog.LevelWarn, format, v)
}

// Fatalf records why the server cannot run; ending the process is not its
// business here.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(strings.ToLower(format[:1])+format[1:], v...)
	}
}

func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// seldom lets one text through per minute, so that a client which is refused a
// thousand times a second fills no disk.
type seldom struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	seldomEvery = time.Minute
	seldomTexts = 100
)

func (s *seldom) allow(text string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.last[text]; ok && now.Sub(t) < seldomEvery {
		return false
	}
	if s.last == nil || len(s.last) >= seldomTexts {
		s.last = map[string]time.Time{}
	}
	s.last[text] = now
	return true
}
