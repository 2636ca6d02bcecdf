// Package web shows the bridge over HTTP: metrics for machines, a page for
// people, and whether the program is alive and can take messages now. All of
// it is drawn from one [bridge.Snapshot]; messages and link events are read
// from the streams when somebody asks. Content of messages is shown only by
// the pages made for it, and every view is written to an audit log.
package web

import (
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/assaybus/assaybus/bridge"
)

// Config is what the pages are made of.
type Config struct {
	Snapshot func() bridge.Snapshot
	Checks   []Check
	Archive  *Archive // where messages and link events are read
	Audit    *Audit   // where each view of content is written
	// Token is what a caller must show, as a bearer token or by logging in.
	// Without one a caller must have come with a verified client certificate
	// or from this machine, to a loopback name.
	Token string
	Pprof bool // serve /debug/pprof/ to those who may see the page
	Log   *slog.Logger
}

//go:embed assets/*
var assetFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// site is the handlers and what they share.
type site struct {
	Config
	pages *template.Template
	hub   hub
}

// New serves the pages, the API and the probes.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &site{Config: c, pages: parsePages()}
	open := http.NewServeMux() // for everyone: they tell nothing of messages
	probes := Handler(c.Checks...)
	open.Handle("GET /healthz", probes)
	open.Handle("GET /readyz", probes)
	open.Handle("GET /assets/", assets())
	open.HandleFunc("GET /login", s.loginForm)
	open.HandleFunc("POST /login", s.login)
	open.HandleFunc("POST /logout", s.logout)
	open.Handle("/", s.guard(s.inner()))
	return secured(http.NewCrossOriginProtection().Handler(open))
}

// inner is what only those see who may.
func (s *site) inner() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(s.Snapshot))
	mux.HandleFunc("GET /api/snapshot", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Snapshot()) })
	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { s.watch(w, r, "overview", s.overviewFrame) })
	mux.HandleFunc("GET /instruments/{id}", s.instrument)
	mux.HandleFunc("GET /instruments/{id}/live", s.instrumentLive)
	mux.HandleFunc("GET /problems", s.problems)
	mux.HandleFunc("GET /problems/live", func(w http.ResponseWriter, r *http.Request) { s.watch(w, r, "problems", s.problemsFrame()) })
	mux.HandleFunc("GET /messages/{sequence}", s.message)
	mux.HandleFunc("POST /messages/{sequence}", s.content)
	mux.HandleFunc("POST /messages/{sequence}/raw", s.download)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.fault(w, http.StatusNotFound, "There is no such page", "Go back to the overview.")
	})
	if s.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// secured sets what every answer carries: nothing from elsewhere is loaded,
// nothing inline is run, nobody frames the page.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func assets() http.Handler {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic("the folder is embedded: " + err.Error())
	}
	serve := http.StripPrefix("/assets/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		serve.ServeHTTP(w, r)
	})
}

// metricsHandler serves the metrics of the bridge and of its process.
func metricsHandler(snapshot func() bridge.Snapshot) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(snapshot), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
