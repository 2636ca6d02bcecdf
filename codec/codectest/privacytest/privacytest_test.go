package privacytest_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// Without the variable nothing is kept and everything is passed on.
func TestNothingIsKeptUnasked(t *testing.T) {
	if privacytest.On() {
		t.Skip("the suite is listened to: that is what the variable is for")
	}
	var b strings.Builder
	if privacytest.Tee(privacytest.KindLog, &b) != &b {
		t.Error("a Tee stands between a test and its writer")
	}
	privacytest.Message([]byte("H|"))
	privacytest.Value(privacytest.KindStatus, 1)
	if got := privacytest.Error(fs.ErrNotExist); got != fs.ErrNotExist.Error() {
		t.Errorf("Error = %q", got)
	}
	if got := privacytest.Error(nil); got != "" {
		t.Errorf("Error(nil) = %q", got)
	}
}
