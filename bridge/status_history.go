package bridge

import (
	"encoding/json"
	"slices"
	"time"
)

// HistoryHours is how far a [History] looks back, this hour included.
const HistoryHours = 24

// History counts by hour, for the last day. The zero value is empty.
type History struct {
	counts [HistoryHours]uint64 // of the hour h stands at h modulo the length
	hour   int64                // the newest hour that was counted, since 1970
}

// hourOf is t's hour since 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// Add counts n at t; what is older than a day before the newest is nowhere.
func (h *History) Add(t time.Time, n uint64) {
	hour := hourOf(t)
	h.advance(hour)
	if hour > h.hour-HistoryHours {
		h.counts[slot(hour)] += n
	}
}

// slot is where an hour stands.
func slot(hour int64) int64 { return ((hour % HistoryHours) + HistoryHours) % HistoryHours }

// advance empties the hours that begin after the newest one.
func (h *History) advance(hour int64) {
	for skipped := max(h.hour+1, hour-HistoryHours+1); skipped <= hour; skipped++ {
		h.counts[slot(skipped)] = 0
	}
	h.hour = max(h.hour, hour)
}

// merge adds the counts of other.
func (h *History) merge(other History) {
	for hour := other.hour - HistoryHours + 1; other.hour > 0 && hour <= other.hour; hour++ {
		h.Add(time.Unix(hour*3600, 0), other.counts[slot(hour)])
	}
}

// Hours are the counts of the day that ends at now, oldest hour first.
func (h History) Hours(now time.Time) []uint64 {
	h.advance(hourOf(now))
	out := make([]uint64, 0, HistoryHours)
	for hour := h.hour - HistoryHours + 1; hour <= h.hour; hour++ {
		out = append(out, h.counts[slot(hour)])
	}
	return out
}

// Last is the sum of the last hours until now, this one included.
func (h History) Last(now time.Time, hours int) uint64 {
	var sum uint64
	for _, n := range h.Hours(now)[HistoryHours-min(hours, HistoryHours):] {
		sum += n
	}
	return sum
}

// Today is the sum of the hours since midnight, in now's zone. Where zones are
// not whole hours apart midnight's hour counts whole.
func (h History) Today(now time.Time) uint64 {
	y, m, d := now.Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	return h.Last(now, int(hourOf(now)-hourOf(midnight))+1)
}

// historyJSON is a History as JSON has it.
type historyJSON struct {
	Until  time.Time `json:"until"` // end of the newest hour
	Counts []uint64  `json:"counts"`
}

// MarshalJSON writes the counts, oldest first, and where they end.
func (h History) MarshalJSON() ([]byte, error) {
	newest := time.Unix(h.hour*3600, 0).UTC()
	return json.Marshal(historyJSON{Until: newest.Add(time.Hour), Counts: h.Hours(newest)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *History) UnmarshalJSON(text []byte) error {
	var in historyJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*h = History{hour: hourOf(in.Until) - 1}
	for back, n := range slices.Backward(in.Counts) {
		hour := h.hour - int64(len(in.Counts)-1-back)
		if hour > h.hour-HistoryHours {
			h.counts[slot(hour)] = n
		}
	}
	return nil
}

// Latency is a histogram of durations.
type Latency struct {
	Counts []uint64      `json:"counts,omitempty"` // as [LatencyBounds]; the last one is what is above
	Sum    time.Duration `json:"sum"`              // nanoseconds
	Count  uint64        `json:"count"`
}

// LatencyBounds are the upper bounds of the buckets: from what a fast disk
// takes to what the most patient instrument waits.
func LatencyBounds() []time.Duration {
	return []time.Duration{
		time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 15 * time.Second,
	}
}

func (l *Latency) observe(d time.Duration) {
	bounds := LatencyBounds()
	if l.Counts == nil {
		l.Counts = make([]uint64, len(bounds)+1)
	}
	at, _ := slices.BinarySearch(bounds, d)
	l.Counts[at]++
	l.Sum += d
	l.Count++
}

// Quantile is the upper bound of the bucket that holds the q-th part of what
// was observed, 0 when nothing was. Above the last bound it is the last bound.
func (l Latency) Quantile(q float64) time.Duration {
	bounds := LatencyBounds()
	want, seen := q*float64(l.Count), uint64(0)
	for n, count := range l.Counts {
		seen += count
		if count > 0 && float64(seen) >= want {
			return bounds[min(n, len(bounds)-1)]
		}
	}
	return 0
}
