package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// defect is one numbered defect of the module that assaybus replaces
// (pitfalls, section 3) and the tests that show that assaybus has not got it.
type defect struct {
	number int
	what   string
	proof  string // conversation files below testdata/, messages, or package.Test…
}

// defects are all of them; "none" says why one cannot apply.
func defects() []defect {
	return []defect{
		{1, "nothing is ever stored", "bridge.TestMessageIsStoredBeforeTheAnswer bridge.TestTruthTable"},
		{2, "the whole message is echoed at EOT", "astm/link/standard-session.txt"},
		{3, "every HL7 message crashes the session", "hl7/link/block.txt"},
		{4, "one handler for all connections of a port", "bridge.TestTwoClientsDoNotMix codec/astm.TestTwoConnections"},
		{5, "the second session of a connection is refused", "astm/link/second-session.txt"},
		{6, "no message can be transformed", "codec/astm.TestGolden codec/hl7.TestGolden"},
		{7, "the specimen is read from the first order only", "codec/astm.TestSpecimenSafety codec/hl7.TestSpecimenSafety"},
		{8, "a frame in two reads is acknowledged early", "astm/link/cut-anywhere.txt"},
		{9, "a cut behind ETX is refused", "astm/link/trailer-split.txt"},
		{10, "a frame above 1024 bytes is answered twice", "astm/link/big-frame.txt"},
		{11, "ENQ and frame in one read: frame lost", "astm/link/all-in-one-write.txt"},
		{12, "frame and EOT in one read: message lost", "astm/link/all-in-one-write.txt"},
		{13, "leading noise is refused", "astm/link/neutral-noise.txt"},
		{14, "half a trailer leaks into the next frame", "astm/link/trailer-no-crlf.txt astm/link/trailer-missing.txt"},
		{15, "one buffer for framed and unframed", "astm/link/unframed-interrupted.txt astm/link/noise-between-frames.txt"},
		{16, "any first frame number", "astm/link/number-first.txt"},
		{17, "a repeated frame is refused", "astm/link/number-repeat.txt"},
		{18, "STX without ENQ opens a session", "astm/link/neutral-frame-ignored.txt"},
		{19, "EOT is answered", "astm/link/standard-session.txt"},
		{20, "ENQ in mid-session is refused for ever", "astm/link/enq-in-session.txt"},
		{21, "no timer, contention, NAK count or busy", "astm/link/receive-timer.txt astm/link/send-contention-host.txt astm/link/send-six-naks.txt astm/link/busy.txt"},
		{22, "messages of a session in one blob", "astm/link/several-messages.txt"},
		{23, "ACK before anything is durable", "bridge.TestTruthTable codec/hl7.TestAckWaitsForTheStore codec/astm.TestReceiptMeansStored"},
		{24, "unframed messages need one read and L|1|N", "astm/link/unframed.txt codec/astm.TestTerminators"},
		{25, "a partial message vanishes at hang-up", "bridge.TestHangUpKeepsTheIncomplete"},
		{26, "a start block clears the buffer", "hl7/link/start_in_payload_no_end.txt"},
		{27, "two messages in a read: one stored", "hl7/link/several_blocks_one_read.txt"},
		{28, "a form feed becomes the delimiter", "astm/messages/line-ends-that-are-none.raw codec/hl7.TestRecordsAreANaiveSplit"},
		{29, "garbage is answered AA", "hl7/link/uncorrelated_no_msh.txt bridge.TestTruthTable"},
		{30, "an acknowledgement is acknowledged", "hl7/link/ack_not_acknowledged.txt"},
		{31, "malformed acknowledgements", "codec/hl7.TestAck"},
		{32, "bare 06 and 15 on an MLLP link", "hl7/link/no_bare_control_bytes.txt"},
		{33, "only AA exists", "codec/hl7.TestAckErrors hl7/link/mode_al_al.txt hl7/link/content_rejected.txt"},
		{34, "detection by leading blanks, for ever", "codec.TestDetectByContent codec.TestDetectSession"},
		{35, "no charset, no batch", "hl7/messages/charset-gb18030-delimiters-in-characters.raw hl7/link/batch_two_messages.txt"},
		{36, "an end block without CR is not told apart", "hl7/link/tail_silence.txt hl7/link/tail_other_is_text.txt"},
		{37, "message limits measured per connection", "astm/link/max-message-per-message.txt astm/link/message-timeout-per-message.txt"},
		{38, "silent analyzers are cut off", "hl7/link/idle_all_night.txt"},
		{39, "dialling stops after five tries", "bridge.TestDialReconnects bridge.TestDialBackoff"},
		{40, "a listener that fails is not tried again", "bridge.TestAddressInUseIsRetried"},
		{41, "connected means listening", "bridge.TestStateIsTheConnections"},
		{42, "no reload, cap or allow-list", "bridge.TestReloadTouchesOnlyWhatChanged bridge.TestConnectionCapIsVisible bridge.TestUnknownCallerIsRefusedAndSaidOnce"},
		{43, "one letter for all segments", "codec/hl7.TestGolden"},
		{44, "the documented keys are not the code's", "cmd/assaybus.TestManualHasConfigTable bridge.TestLoadRefuses"},
		{45, "MSH is off by one", "codec/hl7.TestRecordsAreANaiveSplit codec/hl7.TestGolden"},
		{46, "a backslash and r become a new record", "astm/messages/escapes-and-repeats.raw"},
		{47, "VT, FF, NEL and others end a line", "astm/messages/line-ends-that-are-none.raw"},
		{48, "escapes are not decoded", "codec/astm.TestEscapes hl7/messages/escapes-all.raw"},
		{49, "a missing component is the whole field", "codec/astm.TestSpecimenPathAndCodeComponent codec/hl7.TestSpecimenPath"},
		{50, "repeats, units, flags, corrections lost", "astm/messages/corrected-results.raw astm/messages/repeats-in-status.raw"},
		{51, "short headers crash the parser", "codec/hl7.TestParseNeverPanics codec/astm.TestParseTakesAnything"},
		{52, "raw is kept as decoded text", "bridge.TestReceiveKeepsRawThenParsed"},
		{53, "tables without the instrument", "subjects.TestTokenTellsIDsApart"},
		{54, "content in the log", "bridge.TestPanicEndsOnlyItsSession bridge.TestFailureHoldsPositionAndNoContent codec/astm.TestNoContentInErrors"},
		{55, "no health", "bridge/web.TestHealth"},
		{56, "claims without tests", "none: this table is the answer"},
	}
}

// Every defect has a proof, and every proof exists.
func TestPitfalls(t *testing.T) {
	root := filepath.Join("..", "..")
	for n, d := range defects() {
		if d.number != n+1 {
			t.Fatalf("defect %d stands at place %d", d.number, n+1)
		}
		if strings.HasPrefix(d.proof, "none: ") {
			continue
		}
		for proof := range strings.FieldsSeq(d.proof) {
			folder, name, isTest := strings.Cut(proof, ".Test")
			if !isTest {
				if _, err := os.Stat(filepath.Join(root, "testdata", filepath.FromSlash(proof))); err != nil {
					t.Errorf("defect %d (%s): %v", d.number, d.what, err)
				}
				continue
			}
			if !hasTest(t, filepath.Join(root, filepath.FromSlash(folder)), "Test"+name) {
				t.Errorf("defect %d (%s): package %s has no Test%s", d.number, d.what, folder, name)
			}
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func ` + name + `\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if declared.Match(source) {
			return true
		}
	}
	return false
}
