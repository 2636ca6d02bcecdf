package broker_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// BenchmarkPublish is one confirmed (fsynced) message of 1 KiB in LAB_RAW.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 8, 16, 32, 64, 100, 300, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			bus := open(b, config(b))
			var count atomic.Int64
			body := make([]byte, 1024)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for i := count.Add(1); i <= int64(b.N); i = count.Add(1) {
						p := bridge.Publication{
							Stream: subjects.StreamRaw, Subject: subjects.Raw("main", "xn1000"),
							ID: fmt.Sprint("bench-", i), Body: body,
						}
						if _, err := bus.Publish(b.Context(), p); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
