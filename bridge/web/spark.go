package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// spark draws the last day as bars: messages upwards, a mark below every hour
// with problems. It is part of the page, so it follows the page's colours.
func spark(messages, problems bridge.History, now time.Time) template.HTML {
	const bar, gap, height, foot = 4, 1, 24, 4
	hours, bad := messages.Hours(now), problems.Hours(now)
	top := max(slices.Max(hours), 1)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" role="img" viewBox="0 0 %d %d" width="%d" height="%d" aria-label="%s">`,
		len(hours)*(bar+gap)-gap, height+foot, len(hours)*(bar+gap)-gap, height+foot, template.HTMLEscapeString(told(hours, bad, now)))
	for n, count := range hours {
		x := n * (bar + gap)
		h := 1.0
		class := "none"
		if count > 0 {
			h, class = max(2, float64(count)/float64(top)*height), "bar"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%.1f" width="%d" height="%.1f"/>`, class, x, height-h, bar, h)
		if bad[n] > 0 {
			fmt.Fprintf(&b, `<rect class="bad" x="%d" y="%d" width="%d" height="%d"/>`, x, height+1, bar, foot-1)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and escaped text only
}

// told is a sparkline in words.
func told(hours, bad []uint64, now time.Time) string {
	var sum, wrong uint64
	best := 0
	for n := range hours {
		sum, wrong = sum+hours[n], wrong+bad[n]
		if hours[n] > hours[best] {
			best = n
		}
	}
	if sum == 0 && wrong == 0 {
		return "no messages within 24 hours"
	}
	text := fmt.Sprintf("%d messages within 24 hours", sum)
	if sum > 0 {
		at := now.Add(time.Duration(best-len(hours)+1) * time.Hour)
		text += fmt.Sprintf(", most at %02d:00", at.Hour())
	}
	if wrong > 0 {
		text += fmt.Sprintf(", %d failed or refused", wrong)
	}
	return text
}

// chart is the same day with its hours and counts, for one instrument.
func chart(messages, problems bridge.History, now time.Time) template.HTML {
	const bar, gap, height = 22, 6, 110
	hours, bad := messages.Hours(now), problems.Hours(now)
	top := max(slices.Max(hours), 1)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" role="img" viewBox="%d 0 %d %d" aria-label="%s">`, -gap, len(hours)*(bar+gap)+gap, height+46, template.HTMLEscapeString(told(hours, bad, now)))
	fmt.Fprintf(&b, `<line class="axis" x1="0" x2="%d" y1="%d" y2="%d"/>`, len(hours)*(bar+gap), height+16, height+16)
	for n, count := range hours {
		x := n * (bar + gap)
		if count > 0 {
			h := max(3, float64(count)/float64(top)*height)
			fmt.Fprintf(&b, `<rect class="bar" x="%d" y="%.1f" width="%d" height="%.1f" rx="3"/>`, x, 16+height-h, bar, h)
			fmt.Fprintf(&b, `<text class="value" x="%d" y="%.1f">%s</text>`, x+bar/2, 12+height-h, short(count))
		}
		if bad[n] > 0 {
			fmt.Fprintf(&b, `<rect class="bad" x="%d" y="%d" width="%d" height="4" rx="2"/>`, x, height+18, bar)
		}
		if at := now.Add(time.Duration(n-len(hours)+1) * time.Hour); at.Hour()%3 == 0 {
			fmt.Fprintf(&b, `<text class="hour" x="%d" y="%d">%02d:00</text>`, x+bar/2, height+40, at.Hour())
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and escaped text only
}

// short is a count in three or four characters.
func short(n uint64) string {
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}
