package bridge

import "context"

// Backoff runs n pauses of a back-off and calls after behind each.
func Backoff(ctx context.Context, n int, after func()) {
	var b backoff
	for range n {
		b.pause(ctx)
		after()
	}
}

// WireSize is what a publication counts against the payload limit.
func WireSize(p Publication) int { return wireSize(p) }
