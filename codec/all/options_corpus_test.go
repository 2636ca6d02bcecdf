package all_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
)

// need is an option that a family of analyzers needs, as docs/instruments.md lists it, with
// a file of the corpus that shows it: proof is false without the option and
// true with it. A nil proof is that all ids of expect.json's specimens_profile
// are found.
type need struct {
	family, option string
	file           string
	with, without  codec.Options // without is what the capture itself needs
	proof          func([]*codec.Message) bool
}

func needs() []need {
	captured := codec.Options{Quirks: []string{"implicit-session"}}
	path := func(entry string, quirks ...string) codec.Options {
		return codec.Options{SpecimenPath: []string{entry}, Quirks: quirks}
	}
	return []need{
		{"BA400", "specimen_path: ['SPM-2/[0-9]{6,}$']", "hl7/biosystems_ba400_name-space-id.hl7", path("SPM-2/[0-9]{6,}$"), codec.Options{}, nil},
		{"BA400", "specimen_path: ['SPM-2/[0-9]{6,}$']", "hl7/biosystems_ba400_truncated-1023-bytes.hl7", path("SPM-2/[0-9]{6,}$"), codec.Options{}, nil},
		{"cobas pro", "specimen_path: [QPD-3]", "hl7/roche_cobas-pro_query-iniseq-registered-sign.hl7", path("QPD-3"), codec.Options{}, nil},
		{"Mindray CL", "code_component: 2", "astm/mindray_cl_order.astm", codec.Options{CodeComponent: 2}, codec.Options{}, func(m []*codec.Message) bool {
			return slices.ContainsFunc(m, func(m *codec.Message) bool { return slices.Contains(m.Orders[0].Tests, "Test1") })
		}},
		{"GeneXpert", "decimal_comma: true", "astm/cepheid_genexpert-6.5-fr_detected-below-range.astm", codec.Options{DecimalComma: true}, codec.Options{}, noWarning(codec.WarnAmbiguousNumber)},
		{"GeneXpert", "decimal_comma: true", "astm/cepheid_genexpert-6.5-fr_error-comment.astm", codec.Options{DecimalComma: true}, codec.Options{}, noWarning(codec.WarnAmbiguousNumber)},
		{"AMPLILINK", "quirks: [no-checksum]", "astm/roche_taqman96-amplilink_no-checksum.astm", codec.Options{Quirks: []string{"no-checksum"}}, codec.Options{}, anything},
		{"Yumizen", "quirks: [any-frame-number]", "astm/horiba_yumizen-h500_qc-histograms.astm", codec.Options{Quirks: []string{"any-frame-number", "implicit-session"}}, captured, func(m []*codec.Message) bool {
			return len(m) == 1 && len(m[0].Results) == 21
		}},
		{"Maglumi X3", "quirks: [ack-every-control, no-checksum]", "astm/snibe_maglumi-x3_three-envelopes.astm", codec.Options{Quirks: []string{"ack-every-control", "no-checksum"}}, codec.Options{}, anything},
		{"device servers", "quirks: [implicit-session]", "astm/sysmex_xn-550_result.astm", captured, codec.Options{}, anything},
		{"Mindray BS and CL", "dsc: separate", "hl7/mindray_cl_dsr-q03-dsc-continuation.hl7", codec.Options{Continuation: "separate"}, codec.Options{}, func(m []*codec.Message) bool {
			return len(m) > 0 && m[0].Pointer == ""
		}},
	}
}

func anything(m []*codec.Message) bool { return len(m) > 0 }

func noWarning(code string) func([]*codec.Message) bool {
	return func(messages []*codec.Message) bool {
		return len(messages) > 0 && !slices.ContainsFunc(messages, func(m *codec.Message) bool {
			return slices.ContainsFunc(m.Warnings, func(w codec.Warning) bool { return w.Code == code })
		})
	}
}

// Each option does for its family what docs/instruments.md says, on bytes of that family.
func TestOptionsThatFamiliesNeed(t *testing.T) {
	dir := codectest.Corpus(t)
	wanted := profiles(t, dir)
	manual := codectest.Manual(t)["docs/instruments.md"]
	for _, n := range needs() {
		t.Run(n.family+" "+n.option, func(t *testing.T) {
			if !slices.ContainsFunc(strings.Split(manual, "\n"), func(line string) bool {
				return strings.Contains(line, "`"+n.option+"`") && strings.Contains(line, n.family)
			}) {
				t.Errorf("docs/instruments.md has no row with `%s` and %s", n.option, n.family)
			}
			proof := n.proof
			if proof == nil {
				proof = func(m []*codec.Message) bool { return len(missing(wanted[n.file], m)) == 0 }
			}
			if proof(decode(t, filepath.Join(dir, n.file), n.without)) {
				t.Error("what it proves is so without the option")
			}
			if !proof(decode(t, filepath.Join(dir, n.file), n.with)) {
				t.Error("the option does not do it")
			}
		})
	}
}

// Every id that stands away from the standard's place is found: with the
// options above, or without any where the sender is known.
func TestSpecimensOfProfiles(t *testing.T) {
	dir := codectest.Corpus(t)
	options := map[string]codec.Options{}
	for _, n := range needs() {
		if n.proof == nil {
			options[n.file] = n.with
		}
	}
	for file, ids := range profiles(t, dir) {
		o := options[file]
		o.Quirks = append(slices.Clone(o.Quirks), "implicit-session") // captures have no ENQ
		if lost := missing(ids, decode(t, filepath.Join(dir, file), o)); len(lost) > 0 {
			t.Errorf("%s: %d of %d specimens are not found with %v", file, len(lost), len(ids), o.SpecimenPath)
		}
	}
}

// profiles are the files with ids that need configuration.
func profiles(t *testing.T, dir string) map[string][]string {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File      string
		Specimens []string `json:"specimens_profile"`
	}
	if err := json.Unmarshal(list, &cases); err != nil {
		t.Fatal(err)
	}
	wanted := map[string][]string{}
	for _, c := range cases {
		if len(c.Specimens) > 0 {
			wanted[c.File] = c.Specimens
		}
	}
	if len(wanted) == 0 {
		t.Fatal("expect.json names no specimens_profile")
	}
	return wanted
}

// missing are the ids that no order, result or query names. An order that
// names several specimens names each of them.
func missing(ids []string, messages []*codec.Message) []string {
	found := map[string]bool{}
	for _, m := range messages {
		for _, r := range m.Results {
			found[r.Specimen] = true
		}
		for _, o := range m.Orders {
			found[o.Specimen], found[o.InstrumentSpecimen] = true, true
			for _, id := range o.Specimens {
				found[id] = true
			}
		}
		for _, q := range m.Queries {
			for _, id := range q.Specimens {
				found[id] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return found[id] })
}

// decode plays a capture over the link and parses what was received.
func decode(t *testing.T, file string, o codec.Options) []*codec.Message {
	t.Helper()
	capture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := all.Protocols.Build(codec.Auto, o)
	if err != nil {
		t.Fatal(err)
	}
	host, conn := &codectest.Host{}, codec.NewPlayback(capture)
	for left := conn.Left() + 1; conn.Left() > 0 && conn.Left() < left; {
		left = conn.Left()
		if err := p.Serve(t.Context(), conn, host); err != nil && !errors.Is(err, io.EOF) {
			t.Logf("conversation ended: %v", err)
		}
	}
	var messages []*codec.Message
	for _, raw := range host.Stored() {
		if m, err := p.Parse(raw); err == nil {
			codectest.Validate(t, m)
			messages = append(messages, m)
		}
	}
	return messages
}
