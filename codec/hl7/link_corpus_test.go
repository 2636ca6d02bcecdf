package hl7_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// The corpus: as it is, in blocks, and coalesced.
func TestSplitCorpus(t *testing.T) {
	dir := linkCorpus(t)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no messages in %s (%v)", dir, err)
	}
	p := hl7.NewFixed(codec.Options{})
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			codectest.Split(t, p, raw)
			if raw[0] == 0x0B {
				return
			}
			// BA400 captures end with the end block that has no start block.
			raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\r")), []byte("\x1c"))
			block := framed(string(raw))
			if len(raw) < 1500 {
				codectest.Split(t, p, append(block, block...))
			}
			var host codectest.Host
			if _, err := codectest.Play(t, p, &host, block); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Join(host.Stored(), nil); !bytes.Equal(got, raw) {
				t.Error("what is stored is not what was sent")
			}
		})
	}
}

func TestCorpusFacts(t *testing.T) {
	dir := linkCorpus(t)
	for file, want := range map[string]struct {
		stored  int
		answers string // MSA-1 of each, in order; "?" = not checked
		quirk   string
	}{
		"abbott_alinity-m_5-blocks-one-chunk.mllp":        {5, "AA AA AA AA AA", ""},
		"roche_cobas-pro_orl-o34.mllp":                    {1, "", ""},
		"host_rsp-k11-shifted-msh.hl7":                    {1, "", "shifted-msh"},
		"batch_bhs-two-messages-bts.hl7":                  {2, "", ""}, // NE/NE
		"file_fhs-two-batches-fts.hl7":                    {3, "", ""},
		"batch_bad-no-msh.hl7":                            {1, "AE", ""},
		"host_ack-ensemble.hl7":                           {1, "", ""},
		"mindray_cl_dsr-q03-dsc-continuation.hl7":         {1, "?", ""},
		"biosystems_ba400_one-test.hl7":                   {1, "AA", ""},
		"roche_citm_oul-r21-literal-13.hl7":               {1, "", ""}, // NE/NE
		"oml-o21_chapter4-dialogue-13-messages.hl7":       {13, "?", ""},
		"mindray_bs-200e_qc-no-obx.hl7":                   {1, "AA", ""},
		"biosystems_ba400_truncated-1023-bytes.hl7":       {1, "AA", ""},
		"genetics_oru-r01-png-base64.hl7":                 {1, "AA", ""},
		"ecg_custom-escape-backtick.hl7":                  {1, "AA", ""},
		"mindray_bc-5150_cbc-diff-51-obx.hl7":             {1, "AA", ""},
		"urit_mythic-5vet_histograms-raw-caret-units.hl7": {1, "AA", ""},
	} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if raw[0] != 0x0B {
			raw = framed(string(raw))
		}
		var host codectest.Host
		out, err := codectest.Play(t, hl7.NewFixed(codec.Options{}), &host, raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var answers []string
		for _, a := range strings.Split(string(out), "\rMSA|")[1:] {
			answers = append(answers, a[:2])
		}
		if got := len(host.Stored()); got != want.stored {
			t.Errorf("%s: %d messages stored, want %d", file, got, want.stored)
		}
		if got := strings.Join(answers, " "); want.answers != "?" && got != want.answers {
			t.Errorf("%s: answers %q, want %q", file, got, want.answers)
		}
		if want.quirk != "" && host.Quirks(want.quirk) == 0 {
			t.Errorf("%s: quirk %s not noted", file, want.quirk)
		}
	}
}

// linkCorpus is the folder of the corpus with HL7.
func linkCorpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ASSAYBUS_CORPUS")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "hl7")); err != nil {
		t.Skipf("no corpus in %s: set ASSAYBUS_CORPUS to its folder", dir)
	}
	return filepath.Join(dir, "hl7")
}
