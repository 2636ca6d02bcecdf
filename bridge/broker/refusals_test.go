package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
)

// Every answer that a stream can give to a publication: what custody is told
// decides whether it repeats with the same id, refuses, or holds the message
// for stored.
func TestAnswersOfTheStream(t *testing.T) {
	tests := []struct {
		name, answer string // "" = none
		receipt      bridge.Receipt
		full, large  bool
		is           error
		code         int
	}{
		{name: "stored", answer: `{"stream":"LAB_RAW","seq":7}`, receipt: bridge.Receipt{Sequence: 7}},
		{name: "stored before", answer: `{"stream":"LAB_RAW","seq":7,"duplicate":true}`, receipt: bridge.Receipt{Sequence: 7, Duplicate: true}},
		{name: "429 too many requests", answer: `{"error":{"code":429,"err_code":10167,"description":"too many requests"}}`, code: 429},
		{name: "503 temporarily unavailable", answer: `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`, code: 503},
		{name: "503 maximum bytes", answer: `{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`, full: true},
		{name: "503 no resources", answer: `{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`, full: true},
		{name: "503 message too large", answer: `{"error":{"code":503,"err_code":10077,"description":"message too large"}}`, large: true},
		{name: "400 message size exceeds maximum", answer: `{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`, large: true},
		{name: "no answer", is: context.DeadlineExceeded},
		{name: "no responders", is: jetstream.ErrNoStreamResponse},
	}
	b := open(t, config(t))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := raw(1)
			p.Subject = "fake.answer"
			if !errors.Is(tt.is, jetstream.ErrNoStreamResponse) {
				sub, err := b.Conn().Subscribe(p.Subject, func(m *nats.Msg) {
					if tt.answer != "" {
						_ = m.Respond([]byte(tt.answer))
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = sub.Unsubscribe() }()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			got, err := b.Publish(ctx, p)
			if got != tt.receipt || (err == nil) != (tt.receipt != bridge.Receipt{}) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.receipt)
			}
			if errors.Is(err, broker.ErrFull) != tt.full || errors.Is(err, bridge.ErrTooLarge) != tt.large || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v; want full %v, too large %v, %v", err, tt.full, tt.large, tt.is)
			}
			if api := (*jetstream.APIError)(nil); tt.code != 0 && (!errors.As(err, &api) || api.Code != tt.code) {
				t.Errorf("got %v, want code %d", err, tt.code)
			}
			if err := b.Healthy(); err != nil { // one answer makes no illness: the server is asked
				t.Errorf("ill: %v", err)
			}
		})
	}
}
