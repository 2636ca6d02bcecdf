package codectest

import (
	"runtime/debug"
	"testing"
	"time"
)

// endsWithin is thousands of times what an input of any fuzz target takes.
const endsWithin = 10 * time.Second

// Ends fails the test program with the stacks of all goroutines when the test
// has not come to its end after 10 seconds. A fuzz target calls it first: the
// fuzzer itself takes an input without an end for a slow one and passes.
func Ends(t *testing.T) {
	t.Helper()
	timer := time.AfterFunc(endsWithin, func() {
		debug.SetTraceback("all")
		panic(t.Name() + ": this input does not come to an end")
	})
	t.Cleanup(func() { timer.Stop() })
}
