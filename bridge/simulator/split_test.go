package simulator_test

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/testdata"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, data string
		want       []string
		err        error
	}{
		{"line feeds", "H|\\^&\nP|1\nL|1|N\n", []string{"H|\\^&\rP|1\rL|1|N\r"}, nil},
		{"CR LF and blank lines", "H|\\^&\r\n\r\nL|1\r\n", []string{"H|\\^&\rL|1\r"}, nil},
		{"two ASTM messages", "H|\\^&\rL|1\rH|\\^&\rL|1\r", []string{"H|\\^&\rL|1\r", "H|\\^&\rL|1\r"}, nil},
		{"other delimiters", "H!\\^&\rL|x\rL!1\r", []string{"H!\\^&\rL|x\rL!1\r"}, nil},
		{"no terminator", "H|\\^&\rP|1\rH|\\^&\r", []string{"H|\\^&\rP|1\r", "H|\\^&\r"}, nil},
		{"two HL7 messages", "MSH|^~\\&|a\nPID|1\nMSH|^~\\&|b", []string{"MSH|^~\\&|a\rPID|1\r", "MSH|^~\\&|b\r"}, nil},
		{"batch", "BHS|^~\\&\nMSH|a\nMSH|b\nBTS|2\nMSH|c\n", []string{"MSH|a\r", "MSH|b\r", "MSH|c\r"}, nil},
		{"file of batches", "FHS|^~\\&\nBHS|x\nMSH|a\nBTS|1\nFTS|1\n", []string{"MSH|a\r"}, nil},
		{"segment behind a batch", "BHS|x\nMSH|a\nBTS|1\nPID|1\n", nil, simulator.ErrNoMessage},
		{"L segment letter in HL7", "MSH|^~\\&|a\nLAN|1\n", []string{"MSH|^~\\&|a\rLAN|1\r"}, nil},
		{"records before a message", "P|1\nH|\\^&\nL|1\n", nil, simulator.ErrNoMessage},
		{"records behind a message", "H|\\^&\nL|1\nP|1\n", nil, simulator.ErrNoMessage},
		{"text", "Hello\n", nil, simulator.ErrNoMessage},
		{"nothing", "\n\n", nil, simulator.ErrNoMessage},
		{"frames", "\x05\x021H|\\^&\r\x03", nil, simulator.ErrCapture},
		{"blocks", "\x0bMSH|^~\\&\r\x1c\r", nil, simulator.ErrCapture},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := simulator.Split([]byte(tt.data))
			var got []string
			for _, r := range raw {
				got = append(got, string(r))
			}
			if d := cmp.Diff(tt.want, got); d != "" || !errors.Is(err, tt.err) {
				t.Errorf("%v\n%s", err, d)
			}
		})
	}
}

// Every message of ours is one of its own at every play.
func TestOurMessages(t *testing.T) {
	files, err := fs.Glob(testdata.Simulator, "simulator/*")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v, want at least 5", len(files), err)
	}
	for _, name := range files {
		data, err := fs.ReadFile(testdata.Simulator, name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := simulator.Split(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, raw := range all {
			first := map[string]string{".astm": "H|", ".hl7": "MSH|"}[path.Ext(name)]
			if !strings.HasPrefix(string(raw), first) || first == "" {
				t.Errorf("%s: a message that does not begin as its extension says", name)
			}
			s := simulator.NewSource([][]byte{raw}, 1, 2)
			a, _ := s.Next()
			b, _ := s.Next()
			if string(a) == string(b) || strings.Contains(string(a), "{n}") || strings.Contains(string(a), "{time}") {
				t.Errorf("%s: two plays are the same message or hold a placeholder", name)
			}
		}
	}
}
