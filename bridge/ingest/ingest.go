// Package ingest is the reference consumer: it takes what the bridge has
// published from JetStream into a database.
//
// An [Ingester] reads lab.parsed and lab.failed through one durable pull
// consumer, hands batches to a [Sink] and acknowledges them only after the
// sink has committed. Redelivery, a crash between commit and acknowledgement,
// a restart and a repeat from the instrument all hand a sink what it already
// has: it must keep one of each. The sinks of this package, SQLite and
// PostgreSQL, do; [Open] chooses between them.
//
// A sink that is away is waited for, for hours if need be, while the messages
// stay on the bus. A message that no sink can take does not hold up those
// behind it: it is recorded as a failure and terminated with its reason.
//
// No error and no log line of this package holds content: of a database's
// complaint only its code is passed on, since its text may quote values.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
)

// Sink is where results go. One goroutine calls it.
type Sink interface {
	// Write stores batch as a whole or not at all, and returns nil only when
	// it is stored so that a crash does not undo it. The same delivery may
	// come again, in this batch or another: [Delivery] says what to key on.
	// An empty batch asks whether the sink is there.
	//
	// After an error that wraps [ErrRefused] the batch is parted until the
	// message that cannot be stored stands alone; it then comes again as a
	// Failure. After any other error the same batch comes again, later, for
	// as long as it takes.
	Write(ctx context.Context, batch []Delivery) error
	// Close gives back what the sink holds. Nothing is written afterwards.
	Close() error
}

// ErrRefused is what a Sink's error wraps when the same data will never be
// taken. Everything else is taken for an outage that ends.
var ErrRefused = errors.New("refused by the database")

// Delivery is one message of LAB_PARSED. Exactly one of Message and Failure
// is set.
//
// Message.ID (Failure.ID) is the key: the same id is the same message. A
// second delivery of an id is a redelivery or a repeat when its content is the
// same, and a newer decoding of the same bytes when it is not; [Delivery.Digest]
// compares content, Sequence and StoredAt say which is newer.
type Delivery struct {
	Sequence uint64              // in LAB_PARSED; counts from 1 again when the bus is set up anew
	StoredAt time.Time           // when the stream took it
	Subject  string              // as in package subjects
	Header   map[string][]string // names as in package subjects
	Body     []byte              // the JSON as published
	Message  *codec.Message
	Failure  *bridge.Failure
}

// get is the first value of a header, or "".
func (d Delivery) get(name string) string {
	if v := d.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Open opens the sink that target names: a postgres:// or postgresql:// URL,
// or the path of an SQLite file, which is created when missing. It brings the
// tables up to date. A PostgreSQL server that cannot be reached is no error
// here: its sink connects when it is written to.
func Open(ctx context.Context, target string) (Sink, error) {
	scheme, _, ok := strings.Cut(target, "://")
	switch {
	case target == "":
		return nil, errors.New("no database: name an SQLite file or a postgres:// URL")
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return OpenPostgres(ctx, target)
	case ok:
		return nil, fmt.Errorf("database %s://: is not known; name an SQLite file or a postgres:// URL", scheme)
	}
	return OpenSQLite(ctx, target)
}

// Redacted is target as logs may show it: a URL without its password and
// parameters, a file as it is.
func Redacted(target string) string {
	if !strings.Contains(target, "://") {
		return target
	}
	u, err := url.Parse(target)
	if err != nil {
		return "(unreadable URL)"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
