package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/bridge/web"
)

// service is the bridge with its bus and its HTTP listener: what `serve` runs
// and what `demo` runs beside its analyzers.
type service struct {
	config config
	log    *slog.Logger
	bus    *broker.Bus
	server *bridge.Server
	board  *bridge.Board
	http   net.Listener // nil = none
	sink   ingest.Sink  // nil = results stay on the bus
}

// The bounds of HTTP and of closing the bus.
const (
	httpHeaderTimeout = 5 * time.Second
	httpIdleTimeout   = time.Minute
	busCloseTimeout   = 10 * time.Second
)

// brokerConfig is what c says of the bus.
func (c config) brokerConfig(log *slog.Logger) broker.Config {
	return broker.Config{
		URL: c.NATS.URL, Creds: c.NATS.Creds, Token: c.NATS.Token, Users: c.NATS.Users, StoreKey: c.StoreKeyFile,
		CA: c.NATS.TLS.CA, Cert: c.NATS.TLS.Cert, Key: c.NATS.TLS.Key,
		Data: c.Data, Listen: c.NATS.Listen, StoreMax: int64(c.StoreMax), Replicas: c.Replicas,
		RawMaxAge: time.Duration(c.RawMaxAge), ParsedMaxAge: time.Duration(c.ParsedMaxAge), Log: log,
	}
}

// openService opens the bus and the HTTP listener; nothing is left open after
// an error.
func openService(ctx context.Context, c config, log *slog.Logger) (*service, error) {
	bus, err := broker.Open(ctx, c.brokerConfig(log))
	if err != nil {
		return nil, err
	}
	s := &service{config: c, log: log, bus: bus, board: bridge.NewBoard()}
	if c.HTTP != "none" {
		if s.http, err = net.Listen("tcp", c.HTTP); err != nil {
			return nil, errors.Join(fmt.Errorf("ASSAYBUS_HTTP: %w: free the port, name another or set none", err), s.closeBus())
		}
	}
	s.server = bridge.NewServer(bridge.Config{
		Site: c.Site, Store: bridge.NewStore(bus, time.Duration(c.Patience)), Board: s.board, Links: bus,
		Log: log, Grace: time.Duration(c.ShutdownGrace), Memory: int64(c.MessageMemory),
	})
	return s, nil
}

// run serves the instruments until ctx ends, then closes everything.
func (s *service) run(ctx context.Context, registry *bridge.Registry) error {
	stopHTTP := s.serveHTTP()
	stopIngest := s.ingest()
	err := s.server.Run(ctx, registry)
	stopHTTP()
	stopIngest()
	return errors.Join(err, s.closeBus())
}

func (s *service) closeBus() error {
	ctx, cancel := context.WithTimeout(context.Background(), busCloseTimeout)
	defer cancel()
	if err := s.bus.Close(ctx); err != nil {
		return fmt.Errorf("close the bus: %w", err)
	}
	return nil
}

// serveHTTP answers until the function that it returns is called.
func (s *service) serveHTTP() (stop func()) {
	if s.http == nil {
		return func() {}
	}
	server := &http.Server{
		Handler:           web.Handler(web.Check{Name: "store", Err: s.bus.Healthy}),
		ReadHeaderTimeout: httpHeaderTimeout, ReadTimeout: httpHeaderTimeout, WriteTimeout: time.Minute, IdleTimeout: httpIdleTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := server.Serve(s.http); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the status page is gone; instruments are served", "error", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-over
	}
}
