package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// OpenTexts is the stream of open messages, read over an archive and emptied
// by this bridge alone.
type OpenTexts struct {
	*Archive
	bus *Bus
}

var _ bridge.OpenTexts = OpenTexts{}

// OpenTexts reads over archive.
func (b *Bus) OpenTexts(archive *Archive) OpenTexts { return OpenTexts{archive, b} }

// Forget removes what was published to LAB_OPEN below the subject.
func (o OpenTexts) Forget(ctx context.Context, subject string) error {
	s, err := o.bus.js.Stream(ctx, subjects.StreamOpen)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(subject+".>"))
	}
	if err != nil {
		return fmt.Errorf("remove an open message from %s: %w", subjects.StreamOpen, err)
	}
	return nil
}
