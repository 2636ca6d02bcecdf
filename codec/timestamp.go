package codec

import (
	"strings"
	"time"
)

// Timestamp reads a time as the protocols write it (LIS02-A2 §5.6.2, HL7
// §2A.3.21): YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZ[:]ZZ], also with a blank or a
// T between date and time, and as YYYY-MM-DD[ HH:MM[:SS]]; a fraction of three
// or six digits may lack its point. A time is given
// back as RFC 3339 with the offset of its own zone, or of loc (nil is UTC)
// when it has none; less than an hour's precision is given back as a date
// "2026-11-23", a month "2026-11" or a year "2026".
//
// Blank, all zeros, the two quotes of an explicit null and the clock that was
// never set (19700101080000) are "", true. A time that does not exist and
// text that is no time are "", false.
func Timestamp(text string, loc *time.Location) (rfc3339 string, ok bool) {
	text = strings.TrimSpace(text)
	if unset(text) {
		return "", true
	}
	digits, fraction, zone, ok := text, "", "", true
	if !digitsOrNothing(text) {
		digits, zone = cutZone(text)
		digits, fraction, ok = unseparate(digits)
	}
	if len(digits) == 17 || len(digits) == 20 { // milliseconds or microseconds without their point
		if fraction != "" {
			return "", false
		}
		digits, fraction = digits[:14], digits[14:]
	}
	var part [6]int // year, month, day, hour, minute, second
	if !ok {
		return "", false
	}
	have, ok := parts(digits, &part)
	if !ok || !exists(part, have) {
		return "", false
	}
	if have <= 3 {
		if fraction != "" {
			return "", false
		}
		const dashed = len("-11")
		date := digits[:4] + "-" + digits[4:min(6, len(digits))] + "-" + digits[min(6, len(digits)):]
		return date[:4+dashed*(have-1)], true
	}
	east := 0
	if zone != "" {
		if east, ok = offset(zone); !ok {
			return "", false
		}
	} else if loc != nil && loc != time.UTC { // only such a zone needs a calendar
		t := time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], nanoseconds(fraction), loc)
		return t.Format(time.RFC3339Nano), true
	}
	var buffer [40]byte
	return string(appendTime(buffer[:0], digits, fraction, east)), true
}

// Zone is the zone that a time names; nil when it names none, or is no time.
func Zone(text string) *time.Location {
	text = strings.TrimSpace(text)
	if digitsOrNothing(text) {
		return nil
	}
	_, zone := cutZone(text)
	if zone == "" {
		return nil
	}
	east, ok := offset(zone)
	if _, valid := Timestamp(text, nil); !ok || !valid {
		return nil
	}
	return time.FixedZone("", east)
}

func unset(text string) bool {
	if text == "" {
		return true
	}
	switch text[0] { // text has no blanks around it
	case '0':
		return strings.Trim(text, "0 ") == ""
	case '"':
		return text == `""`
	}
	return text == "19700101080000"
}

// appendTime appends digits, which are those of a time that exists, to the
// hour at least, as RFC 3339, seconds east of UTC.
func appendTime(b []byte, digits, fraction string, east int) []byte {
	var d [len("20261123083600")]byte
	copy(d[copy(d[:], digits):], "0000") // minutes and seconds
	b = append(b, d[0], d[1], d[2], d[3], '-', d[4], d[5], '-', d[6], d[7],
		'T', d[8], d[9], ':', d[10], d[11], ':', d[12], d[13])
	const nanoseconds = 9
	if fraction = strings.TrimRight(fraction[:min(nanoseconds, len(fraction))], "0"); fraction != "" {
		b = append(append(b, '.'), fraction...)
	}
	if east == 0 {
		return append(b, 'Z')
	}
	sign := byte('+')
	if east < 0 {
		sign, east = '-', -east
	}
	hours, minutes := byte(east/3600), byte(east/60%60)
	return append(b, sign, '0'+hours/10, '0'+hours%10, ':', '0'+minutes/10, '0'+minutes%10)
}

// cutZone takes ±HHMM, ±HH:MM or Z off the end. A dash is a zone's only
// behind a time, so that those of YYYY-MM-DD are not.
func cutZone(text string) (body, zone string) {
	if body, found := strings.CutSuffix(text, "Z"); found {
		return body, "+0000"
	}
	if at := strings.LastIndexAny(text, "+-"); at >= len("2026-11-23") || at >= 4 && text[at] == '+' ||
		at >= 8 && strings.Count(text, "-") == 1 {
		return strings.TrimRight(text[:at], " "), text[at:]
	}
	return text, ""
}

// unseparate takes the separators out of a date and a time, where they belong,
// and the fraction off its end.
func unseparate(body string) (digits, fraction string, ok bool) {
	body, fraction, dotted := strings.Cut(body, ".")
	if dotted && !digitsOrNothing(fraction) {
		return "", "", false
	}
	if digitsOrNothing(body) {
		return body, fraction, true
	}
	date, clock := body, ""
	if at := strings.IndexAny(body, " T"); at >= 0 {
		date, clock = body[:at], strings.TrimLeft(body[at+1:], " ")
	}
	if len(date) == len("2026-11-23") && date[4] == date[7] && (date[4] == '-' || date[4] == '/') {
		date = date[:4] + date[5:7] + date[8:]
	}
	if len(clock) >= len("08:36") && clock[2] == ':' {
		seconds := ""
		if len(clock) == len("08:36:00") && clock[5] == ':' {
			seconds = clock[6:]
		} else if len(clock) != len("08:36") {
			return "", "", false
		}
		clock = clock[:2] + clock[3:5] + seconds
	}
	if len(date) != len("20261123") || !digitsOrNothing(date) || !digitsOrNothing(clock) {
		return "", "", false
	}
	return date + clock, fraction, true
}

// parts cuts digits into year, month, …; have is how many there are.
func parts(digits string, part *[6]int) (have int, ok bool) {
	if len(digits) < 4 || len(digits) > 14 || len(digits)%2 != 0 {
		return 0, false
	}
	part[0] = number(digits[:4])
	have = 1
	for at := 4; at < len(digits); at += 2 {
		part[have] = number(digits[at : at+2])
		have++
	}
	return have, true
}

// exists reports whether there is such a date and such a time of day.
func exists(part [6]int, have int) bool {
	if part[0] == 0 || have >= 2 && (part[1] < 1 || part[1] > 12) {
		return false
	}
	if have >= 3 && (part[2] < 1 || part[2] > lastDay(part[0], part[1])) {
		return false
	}
	return part[3] < 24 && part[4] < 60 && part[5] < 60
}

// lastDay is how many days the month has.
func lastDay(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// offset is how many seconds east of UTC ±HHMM or ±HH:MM is.
func offset(zone string) (east int, ok bool) {
	digits := strings.Replace(zone[1:], ":", "", 1)
	if len(digits) != 4 || !allDigits(digits) {
		return 0, false
	}
	hours, minutes := number(digits[:2]), number(digits[2:])
	if hours > 14 || minutes > 59 {
		return 0, false
	}
	east = (hours*60 + minutes) * 60
	if zone[0] == '-' {
		east = -east
	}
	return east, true
}

// nanoseconds of a fraction of any length.
func nanoseconds(fraction string) int {
	n := 0
	for i := range 9 {
		n *= 10
		if i < len(fraction) {
			n += int(fraction[i] - '0')
		}
	}
	return n
}

// number is what a few digits mean.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}
