package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/subjects"
)

// page is the HTTP side of a service: what it shows and where.
type page struct {
	service  *service
	reader   *nats.Conn // of the archive: reading never holds publications up
	archive  *web.Archive
	mark     web.Mark      // where LAB_PARSED ended at start: what is behind it is counted live
	part     web.Uncounted // what is before it and on no count
	restored bool          // part is on the board
	started  time.Time
	socket   net.Listener // nil = none
	scheme   string
}

// The bounds of HTTP.
const (
	httpHeaderTimeout = 5 * time.Second
	httpIdleTimeout   = time.Minute
)

// openPage opens the listener that ASSAYBUS_HTTP names; nothing is left open
// after an error.
func (s *service) openPage(ctx context.Context) (*page, error) {
	reader, err := s.bus.Reader()
	if err != nil {
		return nil, err
	}
	p := &page{service: s, reader: reader, started: time.Now(), scheme: "http"}
	if err := p.open(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *page) open(ctx context.Context) error {
	c := p.service.config
	js, err := jetstream.New(p.reader)
	if err != nil {
		return err
	}
	p.archive = web.NewArchive(js, c.Site)
	if p.mark, err = p.archive.Mark(ctx); err != nil {
		return err
	}
	p.remember()
	if c.HTTP == none {
		return nil
	}
	secret, err := c.HTTP_TLS.server()
	if err != nil {
		return fmt.Errorf("ASSAYBUS_HTTP_TLS: %w", err)
	}
	if p.socket, err = net.Listen("tcp", c.HTTP); err != nil {
		return fmt.Errorf("ASSAYBUS_HTTP: %w: free the port, name another or set none", err)
	}
	if secret != nil {
		p.socket, p.scheme = tls.NewListener(p.socket, secret), "https"
	}
	return nil
}

// close gives back what open took; serving has ended or never began.
func (p *page) close() {
	if p.socket != nil {
		_ = p.socket.Close()
	}
	p.reader.Close()
}

// server is TLS that we offer, with CA to those only who show a certificate
// that it signed; nil = none.
func (t httpTLS) server() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if t.CA == "" {
		return c, nil
	}
	text, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", t.CA)
	}
	return c, nil
}

// url is where the page is; empty when it is nowhere.
func (p *page) url() string {
	if p.socket == nil {
		return ""
	}
	return p.scheme + "://" + p.socket.Addr().String()
}

// serve answers, restores what the streams know of the time before and writes
// the counters down, until the function that it returns is called: when
// nothing is counted any more.
func (p *page) serve(registry *bridge.Registry) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		p.keep(ctx, registry)
	}()
	finish := func() {
		cancel()
		<-kept
		if p.restored {
			p.write(p.parsed())
		}
		p.close()
	}
	if p.socket == nil {
		return finish
	}
	log := p.service.log
	server := &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: httpHeaderTimeout, ReadTimeout: httpHeaderTimeout, WriteTimeout: time.Minute, IdleTimeout: httpIdleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := server.Serve(p.socket); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the status page is gone; instruments are served", "error", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-over
		finish()
	}
}

func (p *page) handler() http.Handler {
	s := p.service
	return web.New(web.Config{
		Snapshot: p.snapshot, Checks: p.checks(), Archive: p.archive, Audit: web.NewAudit(filepath.Join(s.config.Data, "audit.log")),
		Token: s.config.HTTP_Token, Pprof: s.config.Pprof, Log: s.log,
	})
}

// snapshot is the program at this moment.
func (p *page) snapshot() bridge.Snapshot {
	s, b := p.service, thisBuild()
	out := bridge.Snapshot{
		At: time.Now(), Site: s.config.Site, Started: p.started, Instruments: s.board.Snapshot(), Callers: s.board.Callers(),
		Build: bridge.Build{Version: b.Version, Revision: b.Revision, Go: b.Go, Platform: b.Platform},
		Bus:   bridge.BusState{Connected: s.bus.Conn().IsConnected(), Embedded: s.config.NATS.URL == "", URL: s.bus.URL(), LinksDropped: s.bus.LinksDropped()},
		Store: bridge.StoreState{Healthy: true},
	}
	if err := s.bus.Healthy(); err != nil {
		out.Store = bridge.StoreState{Problem: err.Error()}
	}
	for _, st := range s.bus.Stats() {
		state := bridge.StreamState{Name: st.Stream, Messages: st.Messages, Bytes: st.Bytes, MaxBytes: st.MaxBytes, Last: st.LastTime}
		if st.Stream != subjects.StreamLink { // which forgets, as it should
			state.Missing = max(st.Deleted, st.Damage.Messages) + int(st.Lost)
		}
		out.Streams = append(out.Streams, state)
	}
	if free, ok := s.bus.DiskFree(); ok {
		out.Disk = &bridge.DiskState{Free: free}
	}
	return out
}

// checks are the conditions of taking messages now.
func (p *page) checks() []web.Check {
	s := p.service
	return []web.Check{
		{Name: "store", Err: s.bus.Healthy},
		{Name: "streams", Err: func() error { return streamsPresent(p.snapshot()) }},
		{Name: "instruments", Err: func() error { return instrumentsServed(s.board.Snapshot()) }},
	}
}

// streamsPresent wants all three, and room in those that refuse when full.
func streamsPresent(s bridge.Snapshot) error {
	have := make(map[string]bridge.StreamState)
	for _, st := range s.Streams {
		have[st.Name] = st
	}
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink} {
		st, ok := have[name]
		switch {
		case !ok:
			return fmt.Errorf("stream %s was not seen yet: look at the bus", name)
		case name != subjects.StreamLink && st.Fill() >= 1:
			return fmt.Errorf("stream %s is full: raise ASSAYBUS_STORE_MAX or lower its age", name)
		}
	}
	return nil
}

// instrumentsServed wants a file with instruments, and every listener open.
func instrumentsServed(all []bridge.Counters) error {
	if len(all) == 0 {
		return errors.New("no instruments: list some in the file that ASSAYBUS_INSTRUMENTS names")
	}
	for _, c := range all {
		if c.State == bridge.StateBlocked {
			return fmt.Errorf("instrument %s cannot call: %s", c.Instrument, c.Problem)
		}
	}
	return nil
}
