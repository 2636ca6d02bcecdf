package simulator

import (
	"math/bits"
	"time"
)

// latencies counts durations in buckets that are at most a 32nd of their
// value wide, in constant memory however long a load runs.
type latencies struct {
	count  [2048]int
	number int
	max    time.Duration
}

const subBuckets = 32 // per power of two

func (h *latencies) add(d time.Duration) {
	d = max(d, 0)
	h.count[bucket(uint64(d))]++
	h.number++
	h.max = max(h.max, d)
}

// at is the duration that the fraction q of all is not above, to a 32nd.
func (h *latencies) at(q float64) time.Duration {
	want := int(q*float64(h.number) + 0.999999)
	for i, n := range h.count {
		if want -= n; n > 0 && want <= 0 {
			return min(time.Duration(ceiling(i)), h.max)
		}
	}
	return h.max
}

// bucket is v itself below 32, then the power of two and the next five bits.
func bucket(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 6
	return shift*subBuckets + int(v>>shift)
}

// ceiling is the largest value of bucket i.
func ceiling(i int) uint64 {
	if i < 2*subBuckets {
		return uint64(i)
	}
	shift := i/subBuckets - 1
	return (uint64(i-shift*subBuckets)+1)<<shift - 1
}
