package all_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// The manual shows the table of known senders.
func TestManualHasKnownSenders(t *testing.T) {
	var b strings.Builder
	b.WriteString("| sender | protocol | says | specimen | query | source |\n|---|---|---|---|---|---|\n")
	for _, f := range codec.Families() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", cell(f.Name), strings.ToUpper(f.Protocol),
			strings.Join(f.Says, ", "), f.Specimen, f.Query, cell(f.Source))
	}
	if want := b.String(); !strings.Contains(codectest.Manual(t)["docs/specimens.md"], want) {
		t.Errorf("docs/specimens.md lacks the table; it must hold:\n%s", want)
	}
}
