package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// The marks of people and tubes, and the secrets, that must stand nowhere but
// in messages. They are put into every place that an instrument can fill.
const (
	markPatient  = "PATZQX71"
	markName     = "NAMEZQX72"
	markSpecimen = "SPECZQX73"
	secretLogin  = "loginZQX74-plain"
	secretKey    = "keyZQX75-keyZQX75-keyZQX75-keyZQX75"
)

func marks() []string {
	return []string{markPatient, markName, markSpecimen, secretLogin, secretKey}
}

// savedText is a writer that may be read while others write.
type savedText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *savedText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *savedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// clean complains about every mark in text.
func clean(t *testing.T, where, text string) {
	t.Helper()
	folded := strings.ToUpper(text)
	for _, mark := range marks() {
		if n := strings.Index(folded, strings.ToUpper(mark)); n >= 0 {
			t.Errorf("%s holds %s: …%s…", where, mark, text[max(0, n-80):min(len(text), n+80)])
		}
	}
}

// watched is a bridge whose every word is kept.
type watched struct {
	*service
	t    *testing.T
	said *savedText
	stop func()
}

func startWatched(t *testing.T) *watched {
	t.Helper()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	instruments := file("instruments.yaml", `
defaults: {max_message: 64KiB, max_frame: 32KiB, message_timeout: 1s}
instruments:
  - {id: any, listen: '127.0.0.1:0'}
  - {id: astm, listen: '127.0.0.1:0', protocol: astm}
  - {id: hl7, listen: '127.0.0.1:0', protocol: hl7}
  - {id: strict, listen: '127.0.0.1:0', protocol: hl7, unparsable: reject, max_connections: 1}
  - {id: stranger, listen: '127.0.0.1:0', from: [10.1.2.3]}
  - {id: large, listen: '127.0.0.1:0', protocol: hl7, max_message: 15MiB}
`)
	for name, value := range map[string]string{
		"INSTRUMENTS": instruments, "DATA": filepath.Join(folder, "data"), "NATS_LISTEN": "127.0.0.1:0", "HTTP": "127.0.0.1:0",
		"STORE_MAX": "64MiB", "SHUTDOWN_GRACE": "100ms", "PATIENCE": "1s", "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
		"NATS_USERS":     file("users.yaml", "users: [{name: lis, role: consumer, password: "+secretLogin+"}]"),
		"STORE_KEY_FILE": file("key", secretKey),
	} {
		t.Setenv(prefix+"_"+name, value)
	}
	c, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	said := &savedText{}
	log, err := newLogger(privacytest.Tee(privacytest.KindLog, said), c.Log)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := bridge.LoadFile(c.Instruments, all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openService(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	over := make(chan error, 1)
	go func() { over <- s.run(ctx, registry) }()
	w := &watched{service: s, t: t, said: said, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			fmt.Fprintln(said, err)
		}
	})}
	t.Cleanup(w.stop)
	for _, i := range registry.Instruments {
		w.until(i.ID+" listens", func() bool { return w.server.Addr(i.ID) != nil })
	}
	return w
}

// play sends text to an instrument's link and reads until nothing more comes.
func (w *watched) play(instrument, text string) {
	nc, err := net.Dial("tcp", w.server.Addr(instrument).String())
	if err != nil {
		w.t.Error(err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(nc, text)
	_ = nc.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	_, _ = io.Copy(io.Discard, nc)
}

func (w *watched) until(what string, ok func() bool) {
	w.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(limit) {
			w.t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *watched) counters(instrument string) bridge.Counters {
	for _, c := range w.board.Snapshot() {
		if c.Instrument == instrument {
			return c
		}
	}
	return bridge.Counters{}
}

func astmFramed(number int, text string) string {
	body := fmt.Sprintf("%d%s\x03", number, text)
	var sum byte
	for i := range len(body) {
		sum += body[i]
	}
	return fmt.Sprintf("\x02%s%02X\r\n", body, sum)
}

// traffic is what goes right and what goes wrong: instrument and bytes.
func traffic() [][2]string {
	person := markPatient + "||" + markPatient + "|" + markName + "^JANE"
	hl7Head := "MSH|^~\\&|" + markName + "|LAB|||20261123083600||ORU^R01|" + markSpecimen + "|P|2.3.1\r"
	hl7 := hl7Head + "PID|1|" + person + "\rOBR|1||" + markSpecimen + "|GLU\rOBX|1|NM|GLU||5.9|mmol/L|||||F\r"
	head := "H|\\^&|||" + markName + "\r"
	astm := head + "P|1|" + person + "\rO|1|" + markSpecimen + "||^^^GLU\rR|1|^^^GLU|5.9|mmol/L||N||F\rL|1|N\r"
	block := func(s string) string { return "\x0b" + s + "\x1c\r" }
	framed := "\x05" + astmFramed(1, astm) + "\x04"
	list := [][2]string{
		{"hl7", block(hl7)}, {"hl7", block(hl7)}, // and again: a repeat
		{"any", block(hl7)}, {"astm", framed}, {"any", framed}, {"astm", framed},
		{"hl7", "\x0b" + hl7}, {"hl7", "\x0b" + hl7[:90] + "\x0b" + hl7}, // cut
		{"astm", framed[:len(framed)-9]}, {"astm", framed[:60] + framed}, {"astm", strings.Replace(framed, "5.9", "6.1", 2)}, // cut, restarted, wrong sum
		{"astm", astm}, {"astm", head}, {"hl7", markPatient + markName + markSpecimen},
		{"hl7", block(markPatient + "|" + markName + "|" + markSpecimen)}, {"any", block(markPatient)}, {"any", markPatient + markSpecimen + "\r\n"},
		{"hl7", block("MSH|" + markPatient)}, {"strict", block("MSH|" + markPatient)}, {"strict", block(markSpecimen)},
		{"strict", "\x0b"}, {"stranger", block(hl7)}, {"any", "GET /" + markPatient + " HTTP/1.1\r\nHost: " + markSpecimen + "\r\n\r\n"},
		{"hl7", block(hl7 + "OBX|2|ED|PDF||" + strings.Repeat(markPatient, 9000))},           // too large
		{"astm", "\x05" + astmFramed(1, head) + "\x022" + strings.Repeat(markPatient, 9000)}, // too large a frame
		{"hl7", block(strings.Repeat(hl7, 3))}, {"hl7", block("FHS|^~\\&|" + markName + "\rBHS|^~\\&\r" + hl7 + "BTS|1\rFTS|1\r")},
	}
	for field := range 20 { // in every field of the header, and of others
		fields := strings.Split(strings.TrimSuffix(hl7Head, "\r")+"||||||||", "|")
		fields[min(field+1, len(fields)-1)] = markSpecimen
		list = append(list, [2]string{"hl7", block(strings.Join(fields, "|") + "\rPID|1|" + person + "\rOBR|1||" + markSpecimen + "\r")})
		other := strings.Repeat("|", field) + markPatient
		list = append(list, [2]string{"astm", "\x05" + astmFramed(1, "H|\\^&"+other+"\rP|1"+other+"\rO|1"+other+"\rR|1"+other+"\rQ|1"+other+"\rL|1\r") + "\x04"})
	}
	return list
}

// TestNothingTellsOfPatients plays what goes right and wrong at debug level,
// until the store is full, and looks for patients, specimens and secrets in
// everything that is no message: the log, errors, HTTP, link events, failures,
// subjects, headers, and what `tail` shows people.
func TestNothingTellsOfPatients(t *testing.T) {
	w := startWatched(t)
	var playing sync.WaitGroup
	places := make(chan struct{}, 6) // fewer than max_connections
	for _, one := range traffic() {
		places <- struct{}{}
		playing.Go(func() {
			w.play(one[0], one[1])
			<-places
		})
	}
	playing.Wait()
	large := fmt.Sprintf("\x0bMSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.3.1\rPID|1|%s\rOBR|1||%s\rOBX|1|ED|X||%s\r\x1c\r", markPatient, markSpecimen, strings.Repeat("A", 14<<20))
	w.until("the store refuses", func() bool {
		w.play("large", large)
		return w.counters("large").Refused[bridge.RefusedStore] > 0
	})

	var web strings.Builder
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/api/snapshot", "/problems", "/instruments/large", "/" + "x" + "?q=1"} {
		response, err := http.Get("http://" + w.page.socket.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Write(&web); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	w.until("the sessions are over", func() bool {
		for _, c := range w.board.Snapshot() {
			if c.Connections > 0 {
				return false
			}
		}
		return true
	})
	stored := w.stored()
	w.stop()
	said := w.said.String()

	if !strings.Contains(stored.content, markPatient) || !strings.Contains(stored.content, markSpecimen) {
		t.Fatal("the messages themselves hold no marks: this test looks at nothing")
	}
	for _, want := range []string{"message refused", "stored as failed", "unknown caller refused", `"level":"DEBUG"`} {
		if !strings.Contains(said, want) {
			t.Errorf("the log lacks %q: this test has not seen it", want)
		}
	}
	for _, reason := range []string{subjects.ReasonUnparsable, subjects.ReasonIncomplete, subjects.ReasonOversize, subjects.ReasonUnknown} {
		if !strings.Contains(stored.about, "."+reason) {
			t.Errorf("nothing has failed as %s: this test has not seen it", reason)
		}
	}
	privacytest.Text(privacytest.KindPage, web.String())
	privacytest.Text(privacytest.KindStored, stored.about)
	privacytest.Value(privacytest.KindStatus, w.board.Snapshot())
	clean(t, "the log", said)
	clean(t, "HTTP", web.String())
	clean(t, "what is stored beside messages", stored.about)
	clean(t, "the counters", fmt.Sprintf("%+v %v", w.board.Snapshot(), w.board.Callers()))
}

// kept is what the streams hold: messages, and what is said about them.
type kept struct{ content, about string }

func (w *watched) stored() kept {
	w.t.Helper()
	var content, about strings.Builder
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink} {
		s, err := w.bus.JetStream().Stream(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		for n := uint64(1); n <= s.CachedInfo().State.LastSeq; n++ {
			m, err := s.GetMsg(w.t.Context(), n)
			if err != nil {
				continue // a link event that was pushed out
			}
			fmt.Fprintf(&about, "%s %v\n%s\n", m.Subject, m.Header, humanLine(event{stream: name, subject: m.Subject, header: m.Header, body: m.Data, sequence: n, stored: m.Time}))
			if strings.HasPrefix(m.Subject, "lab.raw.") || strings.HasPrefix(m.Subject, "lab.parsed.") {
				content.Write(m.Data)
				if name == subjects.StreamRaw {
					privacytest.Message(m.Data)
				}
			} else {
				about.Write(m.Data)
			}
		}
	}
	return kept{content.String(), about.String()}
}

// Help, settings and start-up errors show no secret, wherever it came from.
func TestNoCommandShowsSecrets(t *testing.T) {
	folder := t.TempDir()
	open := filepath.Join(folder, "open")
	if err := os.WriteFile(open, []byte("users: [{name: lis, role: "+secretLogin+", password: "+secretLogin+"}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(folder, "key")
	if err := os.WriteFile(key, []byte(secretKey[:20]), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "instruments.yaml")
	if err := os.WriteFile(file, []byte("instruments: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []map[string]string{
		{"NATS_TOKEN": secretLogin},
		{"NATS_TOKEN": secretLogin, "NATS_USERS": open},
		{"NATS_TOKEN": secretLogin, "NATS_URL": "nats://lis:" + secretLogin + "@127.0.0.1:1"},
		{"NATS_URL": "nats://" + secretLogin + "@127.0.0.1:1"},
		{"STORE_KEY_FILE": key},
	} {
		t.Run(fmt.Sprint(len(env)), func(t *testing.T) {
			for name, value := range map[string]string{"INSTRUMENTS": file, "DATA": filepath.Join(t.TempDir(), "data"), "NATS_LISTEN": "none", "HTTP": "none", "LOG_LEVEL": "debug", "PATIENCE": "1s"} {
				t.Setenv(prefix+"_"+name, value)
			}
			for name, value := range env {
				t.Setenv(prefix+"_"+name, value)
			}
			for _, args := range [][]string{{"serve", "--help"}, {"tail", "--help"}, {"serve"}, {"tail"}, {"version"}, {"instruments", "list"}} {
				if len(env) == 1 && env["NATS_TOKEN"] != "" && args[len(args)-1] == "serve" {
					continue // nothing is wrong with it: it would serve
				}
				var out savedText
				ctx, cancel := context.WithTimeout(t.Context(), time.Second) // where the bus does not answer
				hearing(ctx, args, strings.NewReader(""), &out, &out)
				cancel()
				clean(t, strings.Join(args, " "), out.String())
				if strings.Contains(out.String(), secretKey[:20]) {
					t.Errorf("%v shows the key", args)
				}
			}
		})
	}
}
