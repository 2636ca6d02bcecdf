package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
)

// What an instrument may send, invented: framed, bare, several, cut short.
func captures() map[string]string {
	const (
		hl7  = "MSH|^~\\&|CELLS|LAB|||20261123083600||ORU^R01|17|P|2.3.1\rPID|1||4711\rOBR|1|SPCD-1||CBC\rOBX|1|NM|WBC||5.9|10*9/L|||||F\r"
		astm = "H|\\^&|||Analyzer\rP|1\rO|1|SPCD-1||^^^GLU\rR|1|^^^GLU|5.4|mmol/L||N||F\rL|1|N\r"
	)
	return map[string]string{
		"bare astm":          astm,
		"bare astm, LF":      strings.ReplaceAll(astm, "\r", "\n"),
		"bare hl7":           hl7,
		"bare hl7, CR LF":    strings.ReplaceAll(hl7, "\r", "\r\n"),
		"byte order mark":    "\ufeff" + hl7,
		"nul and line ends":  "\x00\x00\r\n" + astm,
		"mllp":               "\x0b" + hl7 + "\x1c\r",
		"mllp twice":         "\x0b" + hl7 + "\x1c\r\x0b" + hl7 + "\x1c\r",
		"mllp with answer":   "\x0b" + hl7 + "\x1c\r" + "\x0bMSH|^~\\&|LAB||CELLS||20261123083601||ACK^R01|18|P|2.3.1\rMSA|AA|17\r\x1c\r",
		"frame":              "\x05" + frame(astm) + "\x04",
		"frame with answers": "\x05\x06" + frame(astm) + "\x06\x04",
		"two sessions":       "\x05" + frame(astm) + "\x04\x05" + frame(astm) + "\x04",
	}
}

// frame is text as one frame (LIS01-A2 §6.3).
func frame(text string) string {
	body := "1" + text + "\x03"
	var sum byte
	for i := range len(body) {
		sum += body[i]
	}
	const hex = "0123456789ABCDEF"
	return "\x02" + body + string([]byte{hex[sum>>4], hex[sum&15]}) + "\r\n"
}

// decodeJSON runs `decode --json` and gives the objects it printed.
func decodeJSON(t *testing.T, data []byte, args ...string) (code int, messages, problems []map[string]any) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = hearing(t.Context(), append([]string{"decode", "--json"}, args...), bytes.NewReader(data), &stdout, &stderr)
	for line := range strings.Lines(stdout.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q is not JSON: %v", line, err)
		}
		if object["error"] != nil {
			problems = append(problems, object)
		} else {
			messages = append(messages, object)
		}
	}
	if (code == exitOK) != (len(problems) == 0) {
		t.Errorf("exit code %d with %d problems: %s", code, len(problems), stderr.String())
	}
	return code, messages, problems
}

func TestDecodeCaptures(t *testing.T) {
	want := map[string]int{"mllp twice": 2, "mllp with answer": 2, "two sessions": 2}
	for name, data := range captures() {
		t.Run(name, func(t *testing.T) {
			code, messages, problems := decodeJSON(t, []byte(data))
			if n := max(want[name], 1); code != exitOK || len(messages) != n {
				t.Fatalf("exit %d, %d messages, want %d; problems %v", code, len(messages), n, problems)
			}
			results, _ := messages[0]["results"].([]any)
			if len(results) != 1 || messages[0]["schema"] != codec.Schema {
				t.Errorf("decoded %v", messages[0])
			}
		})
	}
}

// A capture cut anywhere is a message or a problem, never nothing.
func TestDecodeCutCaptures(t *testing.T) {
	for name, data := range captures() {
		for end := range len(data) {
			code, messages, problems := decodeJSON(t, []byte(data[:end]))
			if code > exitFailed || len(messages)+len(problems) == 0 {
				t.Fatalf("%s cut at %d: exit %d, nothing said", name, end, code)
			}
		}
	}
}

// Protocols of others, and what is no protocol, are errors.
func TestDecodeRefusesOthers(t *testing.T) {
	for name, data := range map[string]string{
		"http":     "POST /results HTTP/1.1\r\nHost: lab\r\n\r\n",
		"text":     "Dear laboratory,\nplease find attached\n",
		"binary":   "\x80\x81\x82\x83\x00\x01\xfe\xff",
		"zip":      "PK\x03\x04\x14\x00\x00\x00\x08\x00",
		"own form": "\x02D1U1234567890\x03",
		"empty":    "",
	} {
		t.Run(name, func(t *testing.T) {
			code, messages, problems := decodeJSON(t, []byte(data))
			if code != exitFailed || len(messages) != 0 || len(problems) == 0 {
				t.Errorf("exit %d, %d messages, problems %v", code, len(messages), problems)
			}
		})
	}
}

// Quirks and checksums: the problem names the quirk that helps.
func TestDecodeNamesTheQuirk(t *testing.T) {
	good := captures()["frame"]
	bad := strings.Replace(good, "mmol/L", "mmol/l", 1)
	code, _, problems := decodeJSON(t, []byte(bad))
	if code != exitFailed || len(problems) != 1 || !strings.Contains(problems[0]["reason"].(string), "no-checksum") {
		t.Errorf("exit %d, problems %v", code, problems)
	}
	code, messages, problems := decodeJSON(t, []byte(bad), "--quirk", "no-checksum")
	if code != exitOK || len(messages) != 1 {
		t.Errorf("with the quirk: exit %d, problems %v", code, problems)
	}
}

func TestDecodeCharset(t *testing.T) {
	data := []byte("H|\\^&\rP|1\rO|1|SPCD-1||^^^GLU\rR|1|^^^GLU|n\xe9gatif\rL|1|N\r")
	_, messages, _ := decodeJSON(t, data, "--charset", "windows-1252")
	if text, _ := json.Marshal(messages); !strings.Contains(string(text), "négatif") {
		t.Errorf("decoded %s", text)
	}
	code, _, stderr := runText(t, string(data), "decode", "--charset", "ebcdic-of-mars")
	if code != exitUsage || !strings.Contains(stderr, "ebcdic-of-mars") {
		t.Errorf("unknown charset: exit %d, %q", code, stderr)
	}
}

func TestDecodeForPeople(t *testing.T) {
	code, stdout, _ := runText(t, captures()["bare astm"], "decode")
	for _, want := range []string{"astm result from Analyzer", "specimen", "SPCD-1", "GLU", "5.4", "mmol/L"} {
		if code != exitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, output lacks %q:\n%s", code, want, stdout)
		}
	}
	evil := strings.Replace(captures()["bare astm"], "Analyzer", "\x1b]0;title\x07", 1)
	if _, stdout, _ := runText(t, evil, "decode"); strings.ContainsAny(stdout, "\x1b\x07") {
		t.Errorf("the terminal is told what the instrument says: %q", stdout)
	}
}

func TestDecodeSchema(t *testing.T) {
	code, stdout, _ := runText(t, "", "decode", "--schema")
	if code != exitOK || stdout != string(codec.SchemaJSON()) || !json.Valid([]byte(stdout)) {
		t.Errorf("exit %d, %d bytes", code, len(stdout))
	}
}

// Every capture of the corpus is decoded or refused; the corpus is not part
// of the repository.
func TestDecodeCorpus(t *testing.T) {
	root := os.Getenv("ASSAYBUS_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("there is no corpus at ../shared/corpus; set ASSAYBUS_CORPUS to its folder")
	}
	for _, folder := range []string{"astm", "hl7", "other"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			code, messages, problems := decodeJSON(t, data)
			if code > exitFailed || len(messages)+len(problems) == 0 {
				t.Errorf("%s: exit %d, nothing said", path, code)
			}
			for _, p := range problems {
				if p["error"] == errorPanic {
					t.Errorf("%s: %v", path, p)
				}
			}
			for _, m := range messages {
				if folder == "other" && (m["kind"] == codec.KindResult || m["kind"] == codec.KindQC) {
					t.Errorf("%s: a %v of another protocol", path, m["kind"])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the bytes: every capture gets at least one finding, none of them a
// defect of ours, and every message can be printed.
func FuzzDecode(f *testing.F) {
	for _, data := range captures() {
		f.Add([]byte(data), false)
		f.Add([]byte(data), true)
	}
	protocols := map[bool]codec.Protocol{}
	for tolerant, o := range map[bool]codec.Options{false: {}, true: {Quirks: all.Protocols.QuirkNames(), DecimalComma: true}} {
		p, err := all.Protocols.Build(codec.Auto, o)
		if err != nil {
			f.Fatal(err)
		}
		protocols[tolerant] = p
	}
	f.Fuzz(func(t *testing.T, data []byte, tolerant bool) {
		codectest.Ends(t)
		var out bytes.Buffer
		people, machines := printer{w: &out, file: "-"}, printer{w: &out, json: true}
		d := decoder{protocol: protocols[tolerant], put: func(found finding) {
			if found.problem != nil && found.problem.Error == errorPanic {
				t.Fatalf("%s", found.problem.Reason)
			}
			people.put(found)
			machines.put(found)
		}}
		d.decode(t.Context(), "-", data)
		if people.found+people.failed == 0 || machines.err != nil {
			t.Fatalf("%d findings, %v", people.found+people.failed, machines.err)
		}
	})
}
