package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// newLogger logs to w: text for people on a terminal, JSON for machines
// elsewhere, unless c.Format says which. Colour is for terminals only, and
// not for those whose user set NO_COLOR (no-color.org).
func newLogger(w io.Writer, c logConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("%s_LOG_LEVEL: must be debug, info, warn or error (got %q)", prefix, c.Level)
	}
	terminal := isTerminal(w)
	if c.Format == "json" || c.Format == "auto" && !terminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: time.TimeOnly,
		NoColor:    !terminal || os.Getenv("NO_COLOR") != "",
	})), nil
}

// isTerminal reports whether a person sits at the other end of stream, which
// may be any reader or writer. The null device is a character device too, but
// nobody sits there.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
