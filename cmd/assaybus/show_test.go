package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

func TestShow(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"), astmMessage("SPCR-1"))
	l.received("xn", astmMessage("SPCR-3"), 1, "", &codec.ParseError{Protocol: "astm", Record: 2, Field: 3, Err: errors.New("no such thing")})
	l.summary(exitOK, "--publish", "--run", "fix")
	raw, parsed := l.stored(subjects.StreamRaw), l.stored(subjects.StreamParsed)
	rawID, parsedID := raw[0].Get(subjects.HeaderMsgID), parsed[0].Get(subjects.HeaderMsgID)
	failedID, replayID := parsed[2].Get(subjects.HeaderMsgID), parsed[3].Get(subjects.HeaderMsgID)
	for _, tt := range []struct {
		name, arg string
		want      []string
		not       string
	}{
		{"parsed by sequence", "1", []string{"raw 1  ", "lab.raw.main.xn", `␂1H|\^&|||bench^1.0|||||||P|1|20261123083600␍␃` + "\n", "revision 1", `"specimen": "SPCR-1"`}, "SPCR-2"},
		{"repeat by sequence", "3", []string{"raw 3  ", "revision 1", `"rawSequence": 1`}, "SPCR-2"},
		{"failed and repaired", "4", []string{"raw 4  ", "failed: unparsable: astm: record 2 field 3: no such thing", "at record 2 field 3", "revision 1", "revision 2  LAB_PARSED 4", "replayed by run fix", `"specimen": "SPCR-3"`}, "SPCR-1"},
		{"by raw id", rawID, []string{"raw 1  ", "revision 1"}, "received again"},
		{"by parsed id", parsedID, []string{"raw 1  ", "received again, byte for byte, as raw 3", "revision 1"}, "SPCR-2"},
		{"by failed id", failedID, []string{"raw 4  ", "failed: unparsable", "revision 2"}, "SPCR-1"},
		{"by replayed id", replayID, []string{"raw 4  ", "revision 1", "revision 2"}, "SPCR-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := l.must(exitOK, "show", tt.arg)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
			if strings.Contains(out, tt.not) || strings.ContainsAny(out, "\r\x1b") {
				t.Errorf("holds %q or a control character:\n%q", tt.not, out)
			}
		})
	}
	var object struct {
		Raw           struct{ Raw []byte }
		DigestMatches bool
		Published     []struct{ Data struct{ RawSequence int } }
	}
	if err := json.Unmarshal([]byte(l.must(exitOK, "show", "4", "--json")), &object); err != nil {
		t.Fatal(err)
	}
	if string(object.Raw.Raw) != astmMessage("SPCR-3") || !object.DigestMatches || len(object.Published) != 2 || object.Published[1].Data.RawSequence != 4 {
		t.Errorf("object %+v", object)
	}
}

// The whole output for messages framed in every way, as people see it.
func TestShowFrames(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	const astm = "H|\\^&\rP|1\rO|1|SPCR-1\rL|1|N\r"
	var got strings.Builder
	for _, c := range []struct{ raw, frames string }{
		{astm, "1:6X 2:4X 3:11X 4:6X"},
		{astm, "1:9B*3"},
		{astm, "1:14Bn1r2 2:13Xg1"},
		{"H|\\^&\rL|1|N\r", "1:5Xuc 2:6Xu"},
		{astm, "27U"},
		{astm, "6X +3:21"},
		{"MSH|^~\\&|A||||20261123||ACK|1|P|2.5\r", "36V"},
		{astm, ""},
		{astm, "1:6X"},
		{astm, "nonsense"},
	} {
		sequence := l.framed("xn", c.raw, c.frames)
		out := l.must(exitOK, "show", fmt.Sprint(sequence))
		out, _, _ = strings.Cut(out, "\nrevision")
		_, out, _ = strings.Cut(out, "ce-type: assaybus.raw\n")
		fmt.Fprintf(&got, "== %s\n%s", c.frames, out)
	}
	golden := filepath.Join("testdata", "show-frames.txt")
	if flag.Lookup("update").Value.String() == "true" { // codectest has it: the golden files are written anew
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("show (-want +got):\n%s", d)
	}
}

func TestShowWhatIsNotThere(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"))
	id := l.stored(subjects.StreamParsed)[0].Get(subjects.HeaderMsgID)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"2"}, exitFailed, "raw 2: not stored, or no longer; LAB_RAW holds 1 to 1: assaybus tail --raw"},
		{[]string{strings.Replace(id, "xn", "xm", 1)}, exitFailed, "this id: not stored, or no longer; assaybus tail"},
		{[]string{"Doe"}, exitFailed, "neither a raw sequence nor a message id"},
		{nil, exitUsage, "accepts 1 arg"},
	} {
		code, _, stderr := l.run(append([]string{"show"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit %d, %q; want %d and %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
	// What was derived is gone, the raw message is not; and the other way round.
	stream, err := l.bus.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := l.must(exitOK, "show", "1"); !strings.Contains(out, "nothing is published") {
		t.Errorf("output\n%s", out)
	}
	l.send("xn", "astm", astmMessage("SPCR-2"))
	if stream, err = l.bus.JetStream().Stream(t.Context(), subjects.StreamRaw); err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	id = l.stored(subjects.StreamParsed)[0].Get(subjects.HeaderMsgID)
	for _, arg := range []string{"2", id} {
		if out := l.must(exitOK, "show", arg); !strings.Contains(out, "raw message: not stored, or removed by age") || !strings.Contains(out, "SPCR-2") {
			t.Errorf("%s:\n%s", arg, out)
		}
	}
}

func TestShowDamage(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"))
	header := map[string]string{}
	for name, values := range l.stored(subjects.StreamRaw)[0].Header {
		header[name] = values[0]
	}
	_, err := l.bus.Publish(t.Context(), bridge.Publication{Stream: subjects.StreamRaw, Subject: "lab.raw.main.xn", ID: "forged", Header: header, Body: []byte("H|")})
	if err != nil {
		t.Fatal(err)
	}
	if out := l.must(exitOK, "show", "2"); !strings.Contains(out, "DAMAGED: the bytes do not match the digest") {
		t.Errorf("output\n%s", out)
	}
	if out := l.must(exitOK, "show", "2", "--json"); !strings.Contains(out, `"digestMatches":false`) {
		t.Errorf("output\n%s", out)
	}
}

// Commands that can show patients' data say so.
func TestHelpSaysWhatShowsPatientData(t *testing.T) {
	for command, want := range map[string]string{
		"show": "It shows patient data.", "tail": "--json and --raw show patient data",
		"replay": "values: it shows patient data",
	} {
		if _, help, _ := runText(t, "", command, "--help"); !strings.Contains(help, want) {
			t.Errorf("%s --help lacks %q", command, want)
		}
	}
}

func TestTailSince(t *testing.T) {
	bus := openBus(t, "")
	n := 0
	put := func(subject string) {
		n++
		stream := subjects.StreamParsed
		if strings.HasPrefix(subject, "lab.link") {
			stream = subjects.StreamLink
		}
		store(t, bus, stream, subject, n, []byte(`{}`))
	}
	for range 3 { // two streams, in turn
		put("lab.parsed.main.xn.result")
		put("lab.link.main.xn.connected")
	}
	full := errors.New("enough")
	var got []string
	f := tailFlags{bus: busFlag{bus.URL()}, since: "1h", json: true}
	cmd := newTail()
	cmd.SetContext(t.Context())
	lines := writerFunc(func(p []byte) error {
		var e struct{ Subject string }
		if err := json.Unmarshal(p, &e); err != nil {
			t.Error(err)
		}
		got = append(got, e.Subject)
		if len(got) == 6 { // what was stored before is shown: now live
			go put("lab.parsed.main.xn.qc")
		}
		if len(got) == 7 {
			return full
		}
		return nil
	})
	cmd.SetOut(lines)
	if err := f.run(cmd); !errors.Is(err, full) {
		t.Fatal(err)
	}
	want := "lab.parsed.main.xn.result lab.link.main.xn.connected"
	want += " " + want + " " + want + " lab.parsed.main.xn.qc"
	if strings.Join(got, " ") != want {
		t.Errorf("shown\n %v\nwant\n %v", got, want)
	}
	code, _, stderr := runText(t, "", "tail", "--since", "noon")
	if code != exitUsage || !strings.Contains(stderr, "--since: is no moment") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// writerFunc is called with every line.
type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) {
	if err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
