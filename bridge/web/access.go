package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The session of somebody who logged in: a cookie that holds its end, signed
// with the token, so that a new token ends all of them.
const (
	cookieName  = "assaybus"
	sessionTime = 12 * time.Hour
	maxForm     = 4 << 10 // bytes of a login or a confirmation
)

// guard lets through who may see the page.
func (s *site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.allowed(r):
			next.ServeHTTP(w, r)
		case s.Token == "":
			s.fault(w, http.StatusForbidden, "This name is not served", "Without ASSAYBUS_HTTP_TOKEN the page answers on loopback only: open it as http://127.0.0.1 or http://localhost, on the machine itself.")
		case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="assaybus"`)
			http.Error(w, "show the token of ASSAYBUS_HTTP_TOKEN as a bearer token", http.StatusUnauthorized)
		}
	})
}

func (s *site) allowed(r *http.Request) bool {
	if s.Token == "" {
		return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 || loopbackHost(r.Host)
	}
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.isToken(given)
	}
	c, err := r.Cookie(cookieName)
	return err == nil && s.validSession(c.Value, time.Now())
}

// loopbackHost keeps a foreign page from reaching us under a name of its own
// that resolves to this machine (DNS rebinding).
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (s *site) isToken(given string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// session is the cookie's value: the end in seconds and its signature.
func (s *site) session(end time.Time) string {
	text := strconv.FormatInt(end.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.Token))
	mac.Write([]byte("session " + text))
	return text + "." + hex.EncodeToString(mac.Sum(nil))
}

func (s *site) validSession(value string, now time.Time) bool {
	text, _, _ := strings.Cut(value, ".")
	end, err := strconv.ParseInt(text, 10, 64)
	if err != nil || now.Unix() >= end {
		return false
	}
	return hmac.Equal([]byte(value), []byte(s.session(time.Unix(end, 0))))
}

func (s *site) loginForm(w http.ResponseWriter, _ *http.Request) {
	s.page(w, http.StatusOK, "login", base{Title: "Log in"})
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if s.Token == "" || !s.isToken(r.PostFormValue("token")) {
		s.Log.Warn("login to the page refused", "peer", r.RemoteAddr)
		s.page(w, http.StatusUnauthorized, "login", base{Title: "Log in", Notice: "That is not the token of ASSAYBUS_HTTP_TOKEN."})
		return
	}
	end := time.Now().Add(sessionTime)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.session(end), Path: "/", Expires: end, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// viewer is who looks, as far as we know: the name on a client certificate,
// or how the caller showed itself, and the address.
func viewer(r *http.Request) string {
	who := "token"
	switch {
	case r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		who = r.TLS.PeerCertificates[0].Subject.CommonName
	case r.Header.Get("Authorization") == "" && noCookie(r):
		who = "local"
	}
	return who + " " + r.RemoteAddr
}

func noCookie(r *http.Request) bool {
	_, err := r.Cookie(cookieName)
	return err != nil
}
