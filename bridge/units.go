package bridge

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 1048576, 512KiB, 10MiB, 50GiB, 2TiB
// or with the thousands kB, MB, GB, TB.
type Size int64

// sizeUnits are the units of a [Size], longest first.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
	}
}

var errSize = errors.New("is not a size: write bytes or a number with KiB, MiB, GiB, TiB, kB, MB, GB or TB")

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return errSize
	}
	*s = Size(n * unit)
	return nil
}

// String writes the size in the largest binary unit that divides it.
func (s Size) String() string {
	units := sizeUnits()
	for _, u := range []int{3, 2, 1, 0} {
		if unit := units[u]; s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a time.Duration that may also be written in days: 90d, 1d12h.
type Duration time.Duration

const day = 24 * time.Hour

var errDuration = errors.New("is not a duration: write 500ms, 10s, 5m, 12h, 90d or 1d12h")

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	rest := strings.TrimSpace(string(text))
	var total time.Duration
	if days, after, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/day)-1 {
			return errDuration
		}
		total, rest = time.Duration(n)*day, after
		if rest == "" {
			*d = Duration(total)
			return nil
		}
	}
	part, err := time.ParseDuration(rest)
	if err != nil || part < 0 || total+part < total {
		return errDuration
	}
	*d = Duration(total + part)
	return nil
}

// String writes whole days as days.
func (d Duration) String() string {
	if t := time.Duration(d); t == 0 || t%day != 0 {
		return t.String()
	}
	return fmt.Sprintf("%dd", time.Duration(d)/day)
}
