package hl7_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

const (
	one = "MSH|^~\\&|Lyser||||20261123||ORU^R01^ORU_R01|m1|P|2.5.1\rOBX|1|NM|GLU||5.9\r"
	two = "MSH|^~\\&|Lyser||||20261123||ORU^R01^ORU_R01|m2|P|2.5.1\rOBX|1|NM|GLU||6.1\r"
)

func framed(messages ...string) []byte {
	var b bytes.Buffer
	for _, m := range messages {
		b.WriteString("\x0b" + m + "\x1c\r")
	}
	return b.Bytes()
}

func TestPair(t *testing.T) {
	law := strings.Replace(two, "|2.5.1", "|2.5.1|||AL|AL", 1)
	for _, o := range []codec.Options{{}, {CommitAck: "both"}, {AckMode: "enhanced"}} {
		codectest.RunPair(t, hl7.NewFixed(o), []byte(one), []byte(two), []byte(law))
	}
}

func TestSplit(t *testing.T) {
	for name, in := range map[string]string{
		"coalesced":   string(framed(one, two, one)),
		"every tail":  "\x0b" + one + "\x1c\n\x0b" + two + "\x1c\x0b" + one + "\x1c\x00\x0b" + two + "\x1czz\x0b" + one + "\x1c",
		"starts":      "\x0b\x0b" + one + "\x0b" + two + "\x0bMSH|cut\x0b" + one + "\x1c\r",
		"noise":       "\x02\x00GET / \r\n" + string(framed(one)) + "MS\x05" + string(framed(two)) + "MSHx",
		"unframed":    one + two + "BHS|^~\\&|x\r" + one + "\x1c\r" + two + string(framed(one)),
		"text":        string(framed(one+"NTE|1||a\x0bb\x1cc\r", "no header", "")),
		"batch":       string(framed("FHS|^~\\&\rBHS|^~\\&\r" + one + two + "BTS|2\rFTS|1\r")),
		"acks":        string(framed("MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AA|2\r", "\x06", "\x15")),
		"cut":         string(framed(one)) + "\x0b" + two[:40],
		"two cut off": one + "\x0b",
	} {
		t.Run(name, func(t *testing.T) {
			codectest.Split(t, hl7.NewFixed(codec.Options{}), []byte(in))
			codectest.Split(t, hl7.NewFixed(codec.Options{MaxMessage: 70, CommitAck: "send"}), []byte(in))
		})
	}
}

// The corpus: as it is, in blocks, and coalesced.
func TestSplitCorpus(t *testing.T) {
	dir := os.Getenv("ASSAYBUS_CORPUS")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "corpus")
	}
	files, err := filepath.Glob(filepath.Join(dir, "hl7", "*"))
	if err != nil || len(files) == 0 {
		t.Skipf("no corpus in %s: set ASSAYBUS_CORPUS to its folder", dir)
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
	dir := filepath.Join(root(t), "..", "shared", "corpus", "hl7")
	if env := os.Getenv("ASSAYBUS_CORPUS"); env != "" {
		dir = filepath.Join(env, "hl7")
	}
	for file, want := range map[string]struct {
		stored  int
		answers string // MSA-1 of each, in order
		quirk   string
	}{
		"abbott_alinity-m_5-blocks-one-chunk.mllp":        {5, "AA AA AA AA AA", ""},
		"roche_cobas-pro_orl-o34.mllp":                    {1, "", ""},
		"host_rsp-k11-shifted-msh.hl7":                    {1, "", "shifted-msh"},
		"batch_bhs-two-messages-bts.hl7":                  {2, "", ""}, // NE/NE
		"file_fhs-two-batches-fts.hl7":                    {3, "", ""},
		"batch_bad-no-msh.hl7":                            {1, "AE", ""},
		"host_ack-ensemble.hl7":                           {1, "", ""},
		"mindray_cl_dsr-q03-dsc-continuation.hl7":         {0, "", ""},
		"biosystems_ba400_one-test.hl7":                   {1, "AA", ""},
		"roche_citm_oul-r21-literal-13.hl7":               {1, "", ""}, // NE/NE
		"oml-o21_chapter4-dialogue-13-messages.hl7":       {13, "", ""},
		"mindray_bs-200e_qc-no-obx.hl7":                   {1, "AA", ""},
		"biosystems_ba400_truncated-1023-bytes.hl7":       {1, "AA", ""},
		"genetics_oru-r01-png-base64.hl7":                 {1, "AA", ""},
		"ecg_custom-escape-backtick.hl7":                  {1, "AA", ""},
		"mindray_bc-5150_cbc-diff-51-obx.hl7":             {1, "AA", ""},
		"urit_mythic-5vet_histograms-raw-caret-units.hl7": {1, "AA", ""},
	} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Skipf("no corpus in %s: set ASSAYBUS_CORPUS to its folder", dir)
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
		if got := len(host.Stored()); want.stored > 0 && got != want.stored {
			t.Errorf("%s: %d messages stored, want %d", file, got, want.stored)
		}
		if got := strings.Join(answers, " "); want.stored > 0 && want.stored < 13 && got != want.answers {
			t.Errorf("%s: answers %q, want %q", file, got, want.answers)
		}
		if want.quirk != "" && host.Quirks(want.quirk) == 0 {
			t.Errorf("%s: quirk %s not noted", file, want.quirk)
		}
	}
}

func TestSpeaks(t *testing.T) {
	for in, want := range map[string]codec.Verdict{
		"":              codec.Maybe,
		"\x0b":          codec.Yes,
		"\x00\r\n\x0b":  codec.Yes,
		"\x02\x02":      codec.Maybe,
		"\x02MSH|":      codec.Yes,
		"\r\nMSH|^":     codec.Yes, // defect 34: leading CR LF made it ASTM for ever
		"FHS^":          codec.Yes,
		"BHS|":          codec.Yes,
		"M":             codec.Maybe,
		"MS":            codec.Maybe,
		"MSH":           codec.Maybe,
		"MSHA":          codec.No,
		"MR":            codec.No,
		"\xef\xbb\xbfM": codec.Maybe,
		"\x05":          codec.No,
		"\x021H|":       codec.No,
		"H|\\^&":        codec.No,
		"<HEL.R01>":     codec.No,
		"GET / HTTP":    codec.No,
	} {
		if got := hl7.Kind().Speaks([]byte(in)); got != want {
			t.Errorf("Speaks(%q) = %v, want %v", in, got, want)
		}
	}
}

// A Conn that takes nothing back is served until nothing waits.
func TestServeWithoutUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { _, _ = theirs.Write(append(framed(one, two), "\x00\x0b"+one+"\x1c"...)) }()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		var host codectest.Host
		if err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host); err != nil {
			t.Fatal(err)
		}
		if got := len(host.Stored()); got != 3 {
			t.Errorf("%d messages stored, want 3", got)
		}
	})
}

// A connection that breaks, unlike one that ends, says nothing about whether
// a bare message was complete.
func TestUnframedConnectionBreaks(t *testing.T) {
	var host codectest.Host
	conn := &breaking{Playback: codec.NewPlayback([]byte(one))}
	err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), conn, &host)
	if !errors.Is(err, errBroken) || !errors.Is(err, codec.ErrIncomplete) {
		t.Errorf("Serve = %v, want ErrIncomplete because the connection broke", err)
	}
	if len(host.Stored()) != 0 || len(host.GivenUp()) != 1 || string(host.GivenUp()[0].Raw) != one {
		t.Errorf("stored %d, given up %d; want 0 and 1", len(host.Stored()), len(host.GivenUp()))
	}
}

var errBroken = errors.New("connection reset by peer")

type breaking struct{ *codec.Playback }

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Playback.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// A deadline that somebody else moved to the past (the server stops) ends no
// message: what has come of it is accounted for.
func TestStoppedInMidMessage(t *testing.T) {
	for _, in := range []string{"\x0b" + one[:50], one[:50]} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			var host codectest.Host
			served := make(chan error)
			go func() { served <- hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host) }()
			if _, err := theirs.Write([]byte(in)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if err := <-served; !errors.Is(err, codec.ErrIncomplete) || !strings.Contains(err.Error(), "stopped") {
				t.Errorf("Serve = %v, want ErrIncomplete because the link was stopped", err)
			}
			if g := host.GivenUp(); len(g) != 1 || string(g[0].Raw) != one[:50] {
				t.Errorf("given up: %d, want the beginning of the message", len(g))
			}
		})
	}
}

// The host's context outlives the end of the conversation's, so that the
// message in progress can still be stored.
func TestReceiveOutlivesStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn := codec.NewPlayback(framed(one))
	host := hostFunc(func(ctx context.Context, _ []byte) error { return ctx.Err() })
	if err := hl7.NewFixed(codec.Options{}).Serve(ctx, conn, host); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(conn.Written(), []byte("MSA|AA|m1")) {
		t.Errorf("answer %q, want AA", conn.Written())
	}
}

// Medplum #3720: an acknowledgement while the message was only in memory. Here
// not a byte is written before the host has taken it.
func TestAckWaitsForTheStore(t *testing.T) {
	for _, commit := range []string{"off", "send"} {
		conn := codec.NewPlayback(framed(one, two))
		var before []int
		host := hostFunc(func(context.Context, []byte) error {
			before = append(before, bytes.Count(conn.Written(), []byte("\rMSA|AA|")))
			if commit == "send" && len(before) == 1 && len(conn.Written()) > 0 {
				t.Error("committed before the message was stored")
			}
			return nil
		})
		if err := hl7.NewFixed(codec.Options{CommitAck: commit}).Serve(t.Context(), conn, host); err != nil {
			t.Fatal(err)
		}
		if len(before) != 2 || before[0] != 0 || before[1] != 1 {
			t.Errorf("commit %s: answers before each message was stored: %v, want 0 and 1", commit, before)
		}
	}
}

type hostFunc func(context.Context, []byte) error

func (f hostFunc) Receive(ctx context.Context, raw []byte) error { return f(ctx, raw) }
func (f hostFunc) Incomplete(context.Context, []byte, error)     {}
func (f hostFunc) Ready() error                                  { return nil }

// An answer that the instrument does not take ends the connection.
func TestAnswerNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { _, _ = theirs.Write(framed(one)) }()
		var host codectest.Host
		if err := hl7.NewFixed(codec.Options{}).Serve(t.Context(), ours, &host); !codec.IsTimeout(err) {
			t.Errorf("Serve = %v, want a timeout", err)
		}
		if len(host.Stored()) != 1 {
			t.Error("the message was not stored")
		}
	})
}
