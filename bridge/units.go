package bridge

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written 10MiB, 64 kB or 4096.
type Size int64

// Duration is a time span as time.ParseDuration has it, and days: 90d.
type Duration time.Duration

var errUnit = errors.New("unknown unit")

// UnmarshalText reads a size; both binary (KiB MiB GiB TiB) and decimal (kB
// MB GB TB) units are known.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	digits := strings.TrimRight(t, "BKkMGTi ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("not a size (got %q): write 10MiB, 64kB or a number of bytes", t)
	}
	unit, err := sizeUnit(strings.TrimSpace(t[len(digits):]))
	if err != nil || n > (1<<62)/unit {
		return fmt.Errorf("not a size (got %q): write 10MiB, 64kB or a number of bytes", t)
	}
	*s = Size(n * unit)
	return nil
}

func sizeUnit(name string) (int64, error) {
	switch name {
	case "", "B":
		return 1, nil
	case "KiB":
		return 1 << 10, nil
	case "MiB":
		return 1 << 20, nil
	case "GiB":
		return 1 << 30, nil
	case "TiB":
		return 1 << 40, nil
	case "kB":
		return 1e3, nil
	case "MB":
		return 1e6, nil
	case "GB":
		return 1e9, nil
	case "TB":
		return 1e12, nil
	}
	return 0, errUnit
}

// String writes the size in the largest binary unit that divides it.
func (s Size) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	n, u := int64(s), 0
	for n != 0 && n%1024 == 0 && u < len(units)-1 {
		n, u = n/1024, u+1
	}
	return strconv.FormatInt(n, 10) + units[u]
}

// UnmarshalText reads a duration, which is never negative.
func (d *Duration) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	if days, ok := strings.CutSuffix(t, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("not a duration (got %q): write 10s, 2h30m or 90d", t)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(t)
	if err != nil || v < 0 {
		return fmt.Errorf("not a duration (got %q): write 10s, 2h30m or 90d", t)
	}
	*d = Duration(v)
	return nil
}

// String is the duration as time.Duration writes it.
func (d Duration) String() string { return time.Duration(d).String() }
