package main

import (
	"errors"
	"time"
)

// momentHelp says how [moment] reads.
const momentHelp = "a time ago (1h, 7d), a date (2026-11-23) or a time (2026-11-23T08:36, or with a zone as 2026-11-23T08:36:00+02:00)"

var errMoment = errors.New("is no moment: write how long ago (1h, 7d), a date (2026-11-23) or a time (2026-11-23T08:36)")

// moment reads a time that is given as the distance from now, a date or a
// time; without a zone it is local. Empty is the zero time.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	var ago Duration
	if ago.UnmarshalText([]byte(s)) == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errMoment
}
