//go:build browser

package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/assaybus/assaybus/bridge"
)

func TestPageInABrowser(t *testing.T) {
	s := newSession(t)
	b := newBrowser(t)
	b.size(1280, 900)
	b.open(s.url)
	b.until(`document.getElementById("live").textContent === "Live"`)

	s.say("xn1000", "astm", message)
	b.until(`document.querySelector("#i-xn1000 .today b").textContent === "1"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "night"))
	b.until(`document.getElementById("found").textContent === "1 of 5"`)
	if got := b.ask(`[...document.querySelectorAll("#rows > :not([hidden])")].map(r => r.dataset.id).join()`); got != "bc-6800" {
		t.Errorf("the filter leaves %s", got)
	}
	s.say("bc-6800", "hl7", hl7Message)
	b.until(`document.querySelector("#i-bc-6800 .today b").textContent === "1"`)
	if got := b.ask(`document.activeElement.id + document.getElementById("found").textContent`); got != "q1 of 5" {
		t.Errorf("an update moved the focus or the filter: %s", got)
	}
	b.ask(`(q.value = "", q.dispatchEvent(new Event("input")), "")`)
	b.ask(`(sort.value = "name", sort.dispatchEvent(new Event("change")), "")`)
	if got := b.ask(`[...document.querySelectorAll("#rows > *")].map(r => r.dataset.id).join()`); got != "au480,bc-6800,cl-2000i,cobas-e411,xn1000" {
		t.Errorf("by name: %s", got)
	}

	b.click("#i-xn1000 a")
	b.click(`a[href^="/messages/"]`)
	b.await("#show")
	if strings.Contains(b.ask(`document.body.innerText`), "SPEC-0815") {
		t.Error("content is shown before anybody asked")
	}
	b.click("#show")
	b.await("#raw")
	if text := b.ask(`document.body.innerText`); !strings.Contains(text, "SPEC-0815") || !strings.Contains(text, "NCR") {
		t.Error("the content is not shown to who asks")
	}
	if got := b.ask(`[...document.querySelectorAll("#frames tbody tr")].map(r => [...r.cells].slice(0, 4).map(c => c.textContent).join(" ")).join(", ")`); got != "1 1 STX … ETX 22, 2 2 STX … ETX 24, 3 3 STX … ETX 22, 4 4 STX … ETX 56, 5 5 STX … ETX 6" {
		t.Errorf("frames: %s", got)
	}
	if got := b.ask(`document.querySelector("#raw tbody tr .text").textContent`); !strings.HasPrefix(got, "STX 1H|") || !strings.HasSuffix(got, "CRETX") {
		t.Errorf("the first record with its frame is %q", got)
	}
	if log, err := os.ReadFile(s.audit); err != nil || strings.Count(string(log), "\n") != 1 {
		t.Errorf("audit log %q, %v", log, err)
	}

	b.theme("dark")
	dark := b.ask(`getComputedStyle(document.body).backgroundColor`)
	b.theme("light")
	light := b.ask(`getComputedStyle(document.body).backgroundColor`)
	b.click("#theme")
	b.click("#theme")
	if switched := b.ask(`getComputedStyle(document.body).backgroundColor`); dark == light || switched != dark {
		t.Errorf("dark %s, light %s, switched to dark %s", dark, light, switched)
	}
	b.clean()
}

// TestLiveInABrowser: the pages of an instrument and of the problems show what
// happens without a reload, and neither focus, nor scroll position, nor what
// is unfolded is lost by it.
func TestLiveInABrowser(t *testing.T) {
	s := newSession(t)
	s.play()
	b := newBrowser(t)
	b.size(1280, 500)
	const live = `document.getElementById("live").textContent === "Live"`
	held := func() {
		t.Helper()
		b.ask(`(window.stays = true, window.focused = document.activeElement, window.top0 = document.activeElement.getBoundingClientRect().top, "")`)
	}
	kept := func(where string) {
		t.Helper()
		if got := b.ask(`String(window.stays === true) + (window.focused === document.activeElement && document.activeElement !== document.body) + (Math.abs(document.activeElement.getBoundingClientRect().top - window.top0) < 4) + (document.querySelector("details") ? document.querySelector("details").open : true)`); got != "truetruetruetrue" {
			t.Errorf("%s: same page, same focus, same place, still unfolded: %s", where, got)
		}
	}

	b.open(s.url + "/instruments/xn1000")
	b.until(live)
	b.click("#instrument-quality summary")
	b.ask(`(document.querySelector("#instrument-messages tbody tr:last-child a").focus(), document.activeElement.scrollIntoView({block: "center"}), "")`)
	held()
	before := b.ask(`String(document.querySelectorAll("#instrument-messages tbody tr").length)`)
	s.say("xn1000", "astm", strings.Replace(message, "0815", "0901", 1))
	b.until(`document.querySelectorAll("#instrument-messages tbody tr").length === ` + before + ` + 1`)
	b.until(`[...document.querySelectorAll("#instrument-links td")].some(c => c.textContent === "disconnected")`)
	b.until(`document.querySelector("#instrument-sent dt b").textContent === "3"`)
	kept("instrument")

	b.open(s.url + "/problems")
	b.until(live)
	b.ask(`(document.querySelector("#problems-past li:last-child a.see").focus(), document.activeElement.scrollIntoView({block: "center"}), "")`)
	held()
	before = b.ask(`document.querySelectorAll("#problems-past li").length + " + 1 && document.querySelectorAll('#problems-now li').length === " + document.querySelectorAll("#problems-now li").length + " + 1"`)
	_ = s.hold("cobas-e411", "\x05", "\x021H|\\^&|||cobas\rP|1\r\x17"+checksum("1H|\\^&|||cobas\rP|1\r\x17")+"\r\n").Close()
	b.until(`document.querySelectorAll("#problems-past li").length === ` + before)
	b.until(`document.title.startsWith("(" + document.getElementById("trouble").firstChild.data + ") ") && document.querySelectorAll("#problems-now li").length === Number(document.getElementById("trouble").firstChild.data)`)
	kept("problems")
	b.clean()
}

// pages are every page there is, content included.
func (s *session) pages() []string {
	return []string{"/", "/problems", "/instruments/xn1000", "/messages/2", "/login", "/gone"}
}

// shown opens a message and asks for its content.
func (s *session) shown(b *browser) {
	b.t.Helper()
	b.open(s.url + "/messages/2")
	b.click("#show")
	b.await("#raw")
}

func TestPhone(t *testing.T) {
	s := newSession(t)
	s.play()
	b := newBrowser(t)
	b.size(375, 740)
	wide := `String(document.documentElement.scrollWidth > innerWidth) + " " + document.documentElement.scrollWidth`
	for _, path := range s.pages() {
		b.open(s.url + path)
		if got := b.ask(wide); !strings.HasPrefix(got, "false") {
			t.Errorf("%s scrolls sideways: %s", path, got)
		}
	}
	s.shown(b)
	if got := b.ask(wide); !strings.HasPrefix(got, "false") {
		t.Errorf("the content scrolls sideways: %s", got)
	}
	if got := b.ask(`[...document.querySelectorAll("#frames td:not(.nil), #raw .text")].filter(c => c.getBoundingClientRect().right > innerWidth).map(c => c.textContent).join("\n")`); got != "" {
		t.Errorf("of the frames and of raw one must look for what happened: %s", got)
	}
}

// axe-core finds nothing serious, in both themes and on a phone.
func TestAccessibility(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatalf("no axe-core: make browser fetches it and names it in AXE (%v)", err)
	}
	s := newSession(t)
	s.play()
	b := newBrowser(t)
	check := func(where string) {
		t.Helper()
		b.ask(string(axe) + `;""`)
		found := b.ask(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 200) + " " + n.failureSummary).join("\n")).join("\n"))`)
		if found != "" {
			t.Errorf("%s: %s", where, found)
		}
	}
	for _, theme := range []string{"light", "dark"} {
		b.theme(theme)
		for _, width := range []int64{1280, 375} {
			b.size(width, 800)
			for _, path := range s.pages() {
				b.open(s.url + path)
				check(fmt.Sprint(theme, " ", width, " ", path))
			}
			s.shown(b)
			check(fmt.Sprint(theme, " ", width, " content"))
		}
	}
}

// TestScreenshots writes the pictures of the manual into the folder that
// SCREENSHOTS names; `make screenshots` does.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir() // shows that they can be made
	}
	s := newSession(t)
	s.play()
	for deadline := time.Now().Add(10 * time.Second); s.now().Instruments[0].State != bridge.StateSilent && time.Now().Before(deadline); {
		<-time.After(50 * time.Millisecond)
	}
	s.say("xn1000", "astm", strings.Replace(message, "0815", "0818", 1))
	b := newBrowser(t)
	for _, shot := range []struct {
		name, path, theme string
		width, height     int64
	}{
		{"overview-light", "/", "light", 1180, 830},
		{"overview-dark", "/", "dark", 1180, 830},
		{"overview-phone", "/", "light", 390, 844},
		{"message-phone", "/messages/2", "dark", 390, 844},
		{"instrument", "/instruments/xn1000", "light", 1180, 1100},
		{"message", "/messages/2", "light", 1180, 1560},
		{"problems", "/problems", "light", 1180, 560},
	} {
		b.theme(shot.theme)
		b.size(shot.width, shot.height)
		b.open(s.url + shot.path)
		switch shot.path {
		case "/", "/problems", "/instruments/xn1000":
			b.until(`document.getElementById("live").textContent === "Live"`)
		case "/messages/2":
			s.shown(b)
			if shot.width < 600 {
				b.ask(`(document.querySelector("#raw").closest("section").scrollIntoView(), "")`)
			}
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if len(png) < 10_000 {
			t.Errorf("%s is %d bytes", shot.name, len(png))
		}
		if err := os.WriteFile(filepath.Join(folder, shot.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.clean()
}
