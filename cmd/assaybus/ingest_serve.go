package main

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/ingest"
)

// openSink opens the database that [service.ingest] writes to; after an error
// the bus is closed too.
func (s *service) openSink(ctx context.Context) error {
	sink, err := ingest.Open(ctx, s.config.Ingest.Database)
	if err != nil {
		s.page.close()
		return errors.Join(err, s.closeBus())
	}
	if s.reader, err = s.bus.Reader(); err != nil { // live messages do not wait for the catching up
		s.page.close()
		return errors.Join(err, sink.Close(), s.closeBus())
	}
	s.sink = sink
	return nil
}

// ingest takes results into the database, when there is one, until the
// function that it returns is called. Instruments are served whatever happens
// to it.
func (s *service) ingest() (stop func()) {
	if s.sink == nil {
		return func() {}
	}
	s.log.Info("results go into the database", "database", ingest.Redacted(s.config.Ingest.Database), "durable", s.config.Ingest.Durable)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer s.reader.Close()
		js, err := jetstream.New(s.reader)
		if err == nil {
			err = ingest.New(ingest.Config{JetStream: js, Sink: s.sink, Durable: s.config.Ingest.Durable, Log: s.log}).Run(ctx)
		}
		if err != nil {
			s.log.Error("results do not reach the database; they wait on the bus, and instruments are served", "error", err)
		}
		if err := s.sink.Close(); err != nil {
			s.log.Error("close the database", "error", err)
		}
	}()
	return func() {
		cancel()
		<-over
	}
}
