package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// planted is a message of a patient and a specimen that no test has.
const planted = "H|\\^&|||bench\rP|1||PATQX90210||Özgür\"Q^Wilhelmina||19310809\rO|1|SPCQX90210||^^^GLU\rR|1|^^^GLU|5.9\rL|1|N\r"

// TestMain lets the test binary be a program that is listened to.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "speak" {
		privacytest.Message([]byte(planted))
		privacytest.Logger(nil).Info("ready")
		speeches()[os.Args[2]](privacytest.Logger(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
		return
	}
	os.Exit(m.Run())
}

// speeches are ways to tell of a patient.
func speeches() map[string]func(*slog.Logger) {
	return map[string]func(*slog.Logger){
		"a debug line":      func(log *slog.Logger) { log.Debug("stored", "specimen", "SPCQX90210") },
		"another case":      func(log *slog.Logger) { log.Info("stored spcQx90210.") },
		"inside a word":     func(log *slog.Logger) { log.Info("main.SPCQX90210_2") },
		"a name in a group": func(log *slog.Logger) { log.WithGroup("p").With("who", "Wilhelmina").Info("seen") },
		"a quoted name":     func(log *slog.Logger) { log.Info("seen", "record", fmt.Sprintf("%q", `P|1||x||Özgür"Q`)) },
		"an escaped name":   func(*slog.Logger) { privacytest.Text(privacytest.KindPage, `{"who":"\u00d6zg\u00fcr\"Q"}`) },
		"a date of birth":   func(*slog.Logger) { privacytest.Error(errors.New("born 1931-08-09")) },
		"the date as sent":  func(*slog.Logger) { privacytest.Error(fmt.Errorf("field 8: %q", "19310809")) },
		"an error":          func(*slog.Logger) { privacytest.Error(errors.New("no patient PATQX90210")) },
		"a header": func(*slog.Logger) {
			privacytest.Value(privacytest.KindStored, []any{"lab.raw", map[string]string{"s": "SPCQX90210"}})
		},
		"what is printed":    func(*slog.Logger) { fmt.Fprintln(os.Stdout, "specimen SPCQX90210") },
		"what is complained": func(*slog.Logger) { fmt.Fprint(os.Stderr, "specimen SPCQX90210") },
		"output in pieces":   func(*slog.Logger) { pieces("specimen SPC", "QX90", "210 is late\n", "next\n") },
		"a test's own output": func(*slog.Logger) {
			fmt.Println(`{"Action":"output","Package":"github.com/assaybus/assaybus/tests/privacy","Test":"T","Output":"x.go:1: PATQX90210\n"}`)
		},
	}
}

func pieces(texts ...string) {
	w := privacytest.Tee(privacytest.KindOutput, io.Discard)
	for _, text := range texts {
		_, _ = io.WriteString(w, text)
	}
}

// hear listens to this test binary as it speaks.
func hear(t *testing.T, speech string) *result {
	t.Helper()
	folder := t.TempDir()
	known, err := newIDs()
	if err != nil {
		t.Fatal(err)
	}
	program, err := listen(t.Context(), []string{os.Args[0], "speak", speech}, folder, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := search(folder, known, program)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An id that is planted in a line of any kind is found, and the complaint says
// where.
func TestPlantedIDIsFound(t *testing.T) {
	for speech := range speeches() {
		t.Run(speech, func(t *testing.T) {
			t.Parallel()
			r := hear(t, speech)
			if len(r.hits) == 0 || r.messages != 1 {
				t.Fatalf("%s: %v", speech, r)
			}
			err := r.verdict()
			if h := r.hits[0]; err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s:%d:", h.file, h.line)) || h.line == 0 {
				t.Errorf("the complaint names no place: %v", err)
			}
		})
	}
}

// What is no id of a patient is not taken for one.
func TestNothingPlanted(t *testing.T) {
	for name, text := range map[string]string{
		"inside a digest":          "sha256 ab19310809cd",
		"inside a number":          "port 193108091",
		"inside a word":            "wilhelminaic",
		"inside a random name":     "NDQ7PA323F2QH",
		"without what makes it up": "PATQX 90210",
	} {
		known, err := newIDs()
		if err != nil {
			t.Fatal(err)
		}
		known.message("x", []byte(planted))
		known.message("x", []byte("H|\\^&\rP|1||Q7PA\r"))
		if len(known.known) < 7 {
			t.Fatalf("%d ids of the planted message: %v", len(known.known), known.known)
		}
		if hits := known.index().find(text); len(hits) > 0 {
			t.Errorf("%s: %q is taken for %v", name, text, hits)
		}
	}
}

// The numbers of a template are found, whatever they are.
func TestTemplate(t *testing.T) {
	known, err := newIDs()
	if err != nil {
		t.Fatal(err)
	}
	known.template("x", []byte("H|\\^&\rP|1||PATQ-{n}A\rO|1|SPCQ{n}\rO|2|S{n}\r"))
	for text, want := range map[string]int{"of patq-17a": 1, "SPCQ1, SPCQ2": 1, "PATQ-A": 0, "PATQ-17": 0, "XPATQ-17A": 0, "S17": 0, "SPCQ": 0} {
		if hits := known.index().find(text); len(hits) != want {
			t.Errorf("%q: %d hits, want %d", text, len(hits), want)
		}
	}
	if _, ok := known.weak["s{n}"]; !ok {
		t.Errorf("S and a number is too short to be looked for, and that is not said: %v", known.weak)
	}
}

// The ids of the repository: of messages, golden files, conversations,
// templates and sources of tests.
func TestCollect(t *testing.T) {
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	known, err := newIDs()
	if err != nil {
		t.Fatal(err)
	}
	if err := known.collect(top); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"a message": "vl\\260017", "a conversation": "müller", "a template": "spcl{n}", "a source": "spec-0815", "a name": "achebe", "a birth date": "1984-03-12",
	} {
		if _, ok := known.known[want]; !ok {
			t.Errorf("%q of %s is not known", want, from)
		}
	}
	if len(known.known) < leastOurs {
		t.Errorf("%d ids in the repository, want at least %d", len(known.known), leastOurs)
	}
	if len(known.weak) > mostWeak {
		t.Errorf("%d ids are too short to be looked for, %d may be: take longer ones, as SPCX7 or PATX7\n%v", len(known.weak), mostWeak, known.weak)
	}
}

// A run that hears too little is not well, whatever it has found.
func TestEnough(t *testing.T) {
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := tested(top)
	if err != nil || len(packages) < 10 {
		t.Fatalf("%d packages with tests, %v", len(packages), err)
	}
	well := func() *result {
		r := &result{files: 20, lines: leastLines, ids: leastIDs, messages: leastMessages, heard: map[string]int{}, tested: map[string]bool{}, kinds: map[privacytest.Kind]int{}}
		for _, kind := range []privacytest.Kind{privacytest.KindLog, privacytest.KindOutput, privacytest.KindError, privacytest.KindPage, privacytest.KindStatus, privacytest.KindStored} {
			r.kinds[kind] = 1
		}
		for _, p := range packages {
			r.tested[p], r.heard[strings.ReplaceAll(p, "/", "_")] = true, 1
		}
		return r
	}
	if err := well().enough(true, top); err != nil {
		t.Fatalf("all is well, and yet: %v", err)
	}
	if err := (&result{lines: 1}).enough(false, top); err != nil {
		t.Errorf("one program that was heard: %v", err)
	}
	const broker = module + "/bridge/broker"
	for name, spoil := range map[string]func(*result){
		"nothing was heard":  func(r *result) { r.lines = 0 },
		"lines were heard":   func(r *result) { r.lines-- },
		"ids are known":      func(r *result) { r.ids-- },
		"messages passed":    func(r *result) { r.messages-- },
		"too short":          func(r *result) { r.weak = mostWeak + 1 },
		"kind page":          func(r *result) { delete(r.kinds, privacytest.KindPage) },
		"ran: false":         func(r *result) { delete(r.tested, broker) },
		"ran: true":          func(r *result) { r.tested[broker] = false },
		"heard of the tests": func(r *result) { r.heard[strings.ReplaceAll(broker, "/", "_")] = 0 },
	} {
		r := well()
		spoil(r)
		if err := r.enough(true, top); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that fails, or of which nothing was heard, fails the check.
func TestRun(t *testing.T) {
	for want, args := range map[string][]string{
		"name the program":  {"-suite"},
		"exit status":       {"-folder", t.TempDir(), "--", os.Args[0], "-no-such-flag"},
		"nothing was heard": {"-folder", t.TempDir(), "--", "true"},
		"SPCQX90210\" of":   {"-folder", t.TempDir(), "--", os.Args[0], "speak", "an error"},
		"not a line":        {"-folder", broken(t), "-read"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(fmt.Sprint(err), want) && !strings.Contains(strings.ToUpper(fmt.Sprint(err)), "PATQX90210") {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// broken is a folder in which a process was killed in mid-line.
func broken(t *testing.T) string {
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/x-1.jsonl", []byte(`{"kind":"log","te`), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}
