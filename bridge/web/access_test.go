package web_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge/web"
)

const token = "a token of enough letters"

func TestTokenIsAskedFor(t *testing.T) {
	l := newLab(t)
	l.config.Token = token
	l.handler = web.New(l.config)
	bearer := func(given string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+given); r.Header.Del("Accept") }
	}
	for _, path := range []string{"/", "/metrics", "/api/snapshot", "/live", "/problems", "/problems/live", "/instruments/xn1000", "/instruments/xn1000/live", "/messages/1"} {
		code, _, header := l.ask(http.MethodGet, path)
		if code != http.StatusSeeOther || header.Get("Location") != "/login" {
			t.Errorf("%s answers a browser %d", path, code)
		}
		if code, body, _ := l.ask(http.MethodGet, path, bearer("wrong")); code != http.StatusUnauthorized || strings.Contains(body, "xn1000") {
			t.Errorf("%s answers a wrong token %d", path, code)
		}
	}
	if code, _, _ := l.ask(http.MethodPost, "/messages/1"); code != http.StatusUnauthorized {
		t.Errorf("content answers %d without a token", code)
	}
	for _, path := range []string{"/healthz", "/readyz", "/login", "/assets/style.css", "/assets/page.js"} {
		if code, _, _ := l.ask(http.MethodGet, path); code != http.StatusOK {
			t.Errorf("%s answers %d, want it open", path, code)
		}
	}
	if code, _, _ := l.ask(http.MethodGet, "/metrics", bearer(token)); code != http.StatusOK {
		t.Errorf("the token answers %d", code)
	}
}

// logIn posts a token to the login form.
func logIn(l *lab, given string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "http://lab.example:8600/login", strings.NewReader(url.Values{"token": {given}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	return w.Result()
}

func TestLogin(t *testing.T) {
	l := newLab(t)
	l.config.Token = token
	l.handler = web.New(l.config)
	refused := logIn(l, "wrong")
	defer refused.Body.Close()
	if refused.StatusCode != http.StatusUnauthorized || len(refused.Cookies()) != 0 {
		t.Errorf("a wrong token answers %s, %v", refused.Status, refused.Cookies())
	}
	in := logIn(l, token)
	defer in.Body.Close()
	if in.StatusCode != http.StatusSeeOther || len(in.Cookies()) != 1 {
		t.Fatalf("the token answers %s, %v", in.Status, in.Cookies())
	}
	c := in.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, token) {
		t.Errorf("cookie %v", c)
	}
	with := func(value string) int {
		code, _, _ := l.ask(http.MethodGet, "/", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: value}) })
		return code
	}
	if got := with(c.Value); got != http.StatusOK {
		t.Errorf("the session answers %d", got)
	}
	end, sign, _ := strings.Cut(c.Value, ".")
	for _, forged := range []string{"", "9" + end + "." + sign, end + ".00", "1." + sign, "x"} {
		if got := with(forged); got != http.StatusSeeOther {
			t.Errorf("forged session %q answers %d", forged, got)
		}
	}
	l.config.Token = "another token of letters"
	l.handler = web.New(l.config)
	if got := with(c.Value); got != http.StatusSeeOther {
		t.Errorf("a session of an older token answers %d", got)
	}
}

// A page that resolves its own name to this machine reads nothing, and a
// foreign page posts nothing.
func TestForeignPages(t *testing.T) {
	l := newLab(t)
	l.keep("xn1000", message, "")
	for host, want := range map[string]int{"evil.example": 403, "127.0.0.1.evil.example": 403, "127.0.0.1:8600": 200, "localhost": 200, "[::1]:8600": 200, "10.0.0.1": 403, "": 403} {
		if code, _, _ := l.ask(http.MethodGet, "/", func(r *http.Request) { r.Host = host }); code != want {
			t.Errorf("host %q answers %d, want %d", host, code, want)
		}
	}
	code, body, _ := l.ask(http.MethodPost, "/messages/1", func(r *http.Request) {
		r.Header.Set("Origin", "http://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
	if code != http.StatusForbidden || strings.Contains(body, "SPEC-0815") {
		t.Errorf("a foreign form answers %d", code)
	}
}

func TestClientCertificate(t *testing.T) {
	l := newLab(t)
	verified := func(r *http.Request) {
		r.Host = "lab.example"
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}
	}
	if code, _, _ := l.ask(http.MethodGet, "/", verified); code != http.StatusOK {
		t.Errorf("a verified certificate answers %d", code)
	}
	if code, _, _ := l.ask(http.MethodGet, "/", func(r *http.Request) { verified(r); r.TLS.VerifiedChains = nil }); code != http.StatusForbidden {
		t.Errorf("TLS without a certificate answers %d", code)
	}
}

func TestEveryAnswerIsSecured(t *testing.T) {
	l := newLab(t)
	for _, path := range []string{"/", "/healthz", "/metrics", "/gone", "/login", "/assets/page.js"} {
		_, body, h := l.ask(http.MethodGet, path)
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %q", path, policy)
		}
		for _, inline := range []string{" style=", "<style", " onclick=", "<script>", "http://", "https://"} {
			if strings.HasPrefix(path, "/assets") || path == "/metrics" {
				break
			}
			if strings.Contains(body, inline) {
				t.Errorf("%s holds %q", path, inline)
			}
		}
	}
	if code, _, _ := l.ask(http.MethodGet, "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("pprof answers %d, nobody asked for it", code)
	}
	l.config.Pprof = true
	l.handler = web.New(l.config)
	if code, _, _ := l.ask(http.MethodGet, "/debug/pprof/"); code != http.StatusOK {
		t.Errorf("pprof answers %d", code)
	}
}
