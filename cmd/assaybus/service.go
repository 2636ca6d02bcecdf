package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/ingest"
)

// service is the bridge with its bus and its HTTP listener: what `serve` runs
// and what `demo` runs beside its analyzers.
type service struct {
	config config
	log    *slog.Logger
	bus    *broker.Bus
	server *bridge.Server
	board  *bridge.Board
	page   *page
	sink   ingest.Sink // nil = results stay on the bus
	reader *nats.Conn  // of the sink; nil without one
}

// busCloseTimeout bounds the closing of the bus.
const busCloseTimeout = 10 * time.Second

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
	if s.page, err = s.openPage(ctx); err != nil {
		return nil, errors.Join(err, s.closeBus())
	}
	archive, err := broker.NewArchive(s.page.reader)
	if err != nil {
		s.page.close()
		return nil, errors.Join(err, s.closeBus())
	}
	id, rescue, err := s.openRescue()
	if err != nil {
		s.page.close()
		return nil, errors.Join(err, s.closeBus())
	}
	s.server = bridge.NewServer(bridge.Config{
		Texts: bus.OpenTexts(archive), Bridge: id, Rescue: rescue,
		Site: c.Site, Store: bridge.NewStore(bus, time.Duration(c.Patience)), Board: s.board, Links: bus, Archive: archive,
		Log: log, Grace: time.Duration(c.ShutdownGrace), Memory: int64(c.MessageMemory),
	})
	return s, nil
}

// run serves the instruments until ctx ends, then closes everything.
func (s *service) run(ctx context.Context, registry *bridge.Registry) error {
	s.board.Expect(registry) // the page may be asked before the server has looked at its file
	stopPage := s.page.serve(registry)
	stopIngest := s.ingest()
	var tidying sync.WaitGroup
	tidying.Go(func() { tidy(ctx) })
	err := s.server.Run(ctx, registry)
	tidying.Wait() // Run has ended, and only because ctx has
	stopPage()
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
