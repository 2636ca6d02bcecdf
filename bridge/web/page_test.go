package web_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/subjects"
)

// order is where the instruments of an overview stand.
func order(page string) string {
	var ids []string
	for _, m := range regexp.MustCompile(`data-id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

func TestOverview(t *testing.T) {
	l := newLab(t)
	body := l.see("/", "Sysmex XN-1000 &lt;bench 2&gt;", `href="/instruments/a%2Fb%20c"`, "Storing", "5.0 GiB free", "<b>4</b> need attention", "124</b> messages today", "3 messages failed or refused")
	if got, want := order(body), "blocked refusing silent xn1000 a/b c"; got != want {
		t.Errorf("order %q, want those who need attention first: %q", got, want)
	}
	for query, want := range map[string]string{
		"?sort=name":           "a/b c blocked refusing silent xn1000",
		"?sort=today":          "xn1000 a/b c blocked refusing silent",
		"?sort=problems":       "xn1000 a/b c blocked refusing silent",
		"?sort=last":           "xn1000 a/b c blocked refusing silent",
		"?state=silent":        "silent",
		"?state=attention":     "blocked refusing silent xn1000",
		"?q=SYSMEX":            "xn1000",
		"?q=10.0.0&sort=state": "a/b c",
		"?q=nothing":           "",
	} {
		if got := order(l.see("/" + query)); got != want {
			t.Errorf("%s shows %q, want %q", query, got, want)
		}
	}
	l.snapshot.Store = bridge.StoreState{Problem: "disk full: free some"}
	l.see("/", "Refusing", "disk full: free some")
}

func TestInstrumentPage(t *testing.T) {
	l := newLab(t)
	for range 55 {
		l.keep("xn1000", message, "")
	}
	failed := l.keep("xn1000", "neither this nor that", "")
	l.keep("other", message, "")
	l.link(bridge.LinkEvent{Instrument: "xn1000", Event: subjects.EventDisconnected, Reason: "timeout", Peer: "10.1.2.3:4"})
	body := l.see("/instruments/xn1000", "failed: unknown", "disconnected", "timeout", "-42 s", "10 ms",
		"the quirk no-checksum accepts", "A frame&#39;s checksum was wrong", "A time that does not exist was left out", "?before=7", `href="/messages/56"`)
	if strings.Contains(body, `href="/messages/57"`) || strings.Count(body, `href="/messages/`) != 50 {
		t.Errorf("%d messages, want the newest 50 of this instrument only", strings.Count(body, `href="/messages/`))
	}
	if failed != 56 {
		t.Fatalf("failed is %d", failed)
	}
	if body = l.see("/instruments/xn1000?before=7", `href="/messages/6"`); strings.Count(body, `href="/messages/`) != 6 {
		t.Errorf("%d older messages, want 6", strings.Count(body, `href="/messages/`))
	}
	for _, secret := range secrets() {
		if strings.Contains(body, secret) {
			t.Errorf("the list shows %q", secret)
		}
	}
	l.see("/instruments/a%2Fb%20c", "a/b c", "No messages")
	if code, _, _ := l.ask(http.MethodGet, "/instruments/gone"); code != http.StatusNotFound {
		t.Errorf("an unknown instrument answers %d", code)
	}
}

func TestMessageIsShownOnlyToWhoAsks(t *testing.T) {
	l := newLab(t)
	seq := l.keep("xn1000", message, "")
	body := l.see("/messages/1", "Show the content", "10.1.2.3:4", "no-lf", "audit log")
	for _, secret := range secrets() {
		if strings.Contains(body, secret) {
			t.Errorf("the page shows %q before anybody asked", secret)
		}
	}
	if _, err := os.Stat(l.audit); seq != 1 || err == nil {
		t.Errorf("message %d; a view is written down that was none", seq)
	}
	code, body, header := l.ask(http.MethodPost, "/messages/1")
	for _, want := range append(secrets(), `<span class="control">CR</span>`, `<td class="n">0</td>`, `<span class="delimiter">|</span>`, "10*3/uL") {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d, the content lacks %q", code, want)
		}
	}
	if header.Get("Cache-Control") != "no-store" {
		t.Error("the content may be cached")
	}
	code, raw, header := l.ask(http.MethodPost, "/messages/1/raw")
	if code != http.StatusOK || raw != message || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d, download %q", code, raw)
	}
	text, err := os.ReadFile(l.audit)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var views [2]web.View
	for n := range views {
		if len(lines) != 2 || json.Unmarshal([]byte(lines[n]), &views[n]) != nil {
			t.Fatalf("audit log %q, want two lines", text)
		}
	}
	if v := views[0]; v.Action != "show" || v.Instrument != "xn1000" || v.Sequence != 1 || v.Raw != 1 || !strings.HasPrefix(v.Viewer, "local ") || time.Since(v.At) > time.Minute || views[1].Action != "download" {
		t.Errorf("views %+v", views)
	}
	for _, secret := range secrets() {
		if strings.Contains(string(text), secret) {
			t.Errorf("the audit log holds %q", secret)
		}
	}
}

func TestNothingIsShownWithoutAudit(t *testing.T) {
	l := newLab(t)
	l.keep("xn1000", message, "")
	l.config.Audit = web.NewAudit(filepath.Join(t.TempDir(), "folder"))
	if err := os.MkdirAll(filepath.Join(t.TempDir(), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	blocked := t.TempDir() // a folder is no file
	l.config.Audit = web.NewAudit(blocked)
	l.handler = web.New(l.config)
	for _, path := range []string{"/messages/1", "/messages/1/raw"} {
		code, body, _ := l.ask(http.MethodPost, path)
		if code != http.StatusServiceUnavailable || strings.Contains(body, "SPEC-0815") {
			t.Errorf("%s answers %d without an audit log", path, code)
		}
	}
}

func TestFailedMessage(t *testing.T) {
	l := newLab(t)
	l.keep("xn1000", "H|\\^&\rP|1||PID-4711", subjects.ReasonIncomplete)
	if body := l.see("/messages/1", "Why it failed", "incomplete message", "Have it sent again"); strings.Contains(body, "PID-4711") {
		t.Error("the reason shows content")
	}
	if code, body, _ := l.ask(http.MethodPost, "/messages/1"); code != http.StatusOK || !strings.Contains(body, "PID-4711") {
		t.Errorf("%d: what came of it is not shown to who asks", code)
	}
	for _, path := range []string{"/messages/2", "/messages/0", "/messages/x", "/messages/-1"} {
		if code, _, _ := l.ask(http.MethodGet, path); code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, code)
		}
	}
}

// Parts of a longer message: what the page says of each, and what to do about
// one whose others are not there.
func TestPartsOfAMessage(t *testing.T) {
	const head = "MSH|^~\\&|A|B|||20261123||ORU^R01|1|P|2.5||"
	l := newLab(t)
	l.keep("xn1000", head+"\rOBR|1|SPEC-0815\rDSC|p1|F\r", "", func(r *bridge.Reception) { r.More = true })
	l.keep("xn1000", head+"p1\rOBX|1|NM|A||1\rDSC|p2|F\r", "", func(r *bridge.Reception) { r.More, r.Parts = true, []uint64{1} })
	l.keep("xn1000", head+"p2\rOBX|1|NM|B||1\r", "", func(r *bridge.Reception) { r.Parts = []uint64{1, 2} })
	l.keep("xn1000", head+"p9\rOBX|1|NM|B||2\r", "")
	l.see("/messages/1", "Part of a longer message", "the first; what it says is in the message that its last part made")
	l.see("/messages/2", "behind raw 1 of LAB_RAW; what it says")
	l.see("/messages/3", "behind raw 1, 2 of LAB_RAW; the last", "set dsc: separate")
	l.see("/messages/4", "failed: incomplete", "the instrument does not have them any more")
	l.see("/problems", "Have it send the whole again")
	if _, body, _ := l.ask(http.MethodPost, "/messages/1"); !strings.Contains(body, "joined, with the last part") || !strings.Contains(body, "SPEC-0815") {
		t.Error("the part's warning or its raw bytes are not shown")
	}
	if body := l.see("/messages/1"); strings.Contains(body, "SPEC-0815") {
		t.Error("what is known of a part shows content")
	}
}

func TestProblems(t *testing.T) {
	l := newLab(t)
	l.see("/problems", "Nothing failed, nothing was refused", "address in use")
	l.keep("xn1000", "H|\\^&\rP|1||PID-4711", subjects.ReasonIncomplete)
	l.link(bridge.LinkEvent{Instrument: "xn1000", Event: subjects.EventRefused, Reason: bridge.RefusedConnections, Peer: "10.9.9.9:1"})
	l.link(bridge.LinkEvent{Event: subjects.EventRefused, Reason: bridge.RefusedAddress, Peer: "10.8.8.8:1"})
	l.link(bridge.LinkEvent{Instrument: "xn1000", Event: subjects.EventConnected})
	body := l.see("/problems", "failed: incomplete", "refused: connections", "Raise max_connections", "refused: address", "unknown caller", "10.8.8.8:1", `href="/messages/1"`)
	newest, oldest := strings.Index(body, "refused: address"), strings.Index(body, "failed: incomplete")
	if newest > oldest {
		t.Error("the newest is not first")
	}
	if strings.Contains(body, "PID-4711") {
		t.Error("a problem shows content")
	}
}

func TestSnapshotOfTheAPI(t *testing.T) {
	l := newLab(t)
	var s bridge.Snapshot
	if err := json.Unmarshal([]byte(l.see("/api/snapshot")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Instruments) != 5 || s.Instruments[1].Hours.Last(s.At, 24) != 124 || *s.Instruments[1].Skew != -42 || s.Streams[0].Fill() != 0.9 {
		t.Errorf("snapshot %+v", s)
	}
}
