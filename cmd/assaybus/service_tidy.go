package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A busy hour leaves memory behind that the runtime keeps for the next one: in
// a laboratory that is the next morning. What a silent program does not use is
// given back.
const (
	tidyEvery  = 15 * time.Second // longer than JetStream keeps what it wrote
	tidySilent = 4 << 20          // bytes allocated in tidyEvery that count as silence
	tidyWorth  = 32 << 20         // bytes allocated since the last time that make it worth a collection
)

// tidy gives memory back whenever silence follows work, until ctx ends.
func tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	var before, tidied uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if untidy(before, tidied, now) {
			debug.FreeOSMemory()
			debug.FreeOSMemory() // pools give up what two collections did not need
			tidied = now
		}
		before = now
	}
}

// untidy reports whether silence follows work; all are bytes allocated since
// the program began.
func untidy(before, tidied, now uint64) bool {
	return now-before < tidySilent && now-tidied > tidyWorth
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
