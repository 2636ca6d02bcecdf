package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// base is what every page has.
type base struct {
	Title   string
	Site    string
	Version string
	Now     time.Time
	Here    string // the chapter that is open
	Notice  string // what went wrong with a part of the page
	Session bool   // somebody logged in and can log out
	Trouble int    // instruments that need somebody
}

func parsePages() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"ago": ago, "size": size[int64], "usize": size[uint64], "count": count[uint64], "icount": count[int], "period": period, "stamp": stamp, "clock": clock,
		"path": url.PathEscape, "spark": spark, "chart": chart, "stateHelp": stateHelp, "percent": func(f float64) string { return fmt.Sprintf("%.0f %%", 100*f) },
		"title": func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
		"skew":  func(ahead *float64) string { return fmt.Sprintf("%+.0f s", *ahead) },
		"fill":  func(f float64) string { return fmt.Sprintf("%.1f", 100*min(max(f, 0), 1)) },
	}).ParseFS(templateFiles, "templates/*.html"))
}

// stamp is a time as machines and titles have it.
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// clock is a time as people read it: without the date when it is today's.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// frame begins a page from a snapshot.
func (s *site) base(snapshot bridge.Snapshot, title, here string) base {
	b := base{Title: title, Site: snapshot.Site, Version: snapshot.Build.Version, Now: snapshot.At, Here: here, Session: s.Token != ""}
	for n := range snapshot.Instruments {
		if snapshot.Instruments[n].Attention(snapshot.At) != "" {
			b.Trouble++
		}
	}
	return b
}

// page renders a whole page or, when that fails, none of it.
func (s *site) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.Log.Error("page not rendered", "page", name, "error", err)
		http.Error(w, "this page cannot be shown; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the peer may be gone
}

type faultPage struct {
	base
	What, Step string
}

// fault is a page that says what is wrong and what to do.
func (s *site) fault(w http.ResponseWriter, status int, what, step string) {
	s.page(w, status, "fault", faultPage{s.base(s.Snapshot(), what, ""), what, step})
}

// readFault is the fault page of a read that failed.
func (s *site) readFault(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrGone) {
		s.fault(w, http.StatusNotFound, "There is no such message", "It may have been removed by its age, or it never was.")
		return
	}
	s.fault(w, http.StatusBadGateway, "The bus did not answer", unread(err))
}

// unread says why stored messages cannot be shown.
func unread(err error) string {
	return "Stored messages cannot be read now: " + err.Error() + "."
}
