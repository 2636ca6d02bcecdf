package bridge

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// openText is the text of a connection's open message as far as LAB_OPEN has
// it: what a sender that never says where its messages end takes for
// delivered. Each piece is appended under a subject of its own.
type openText struct {
	subject string // of the message; "" = nothing of it is kept
	bytes   int    // kept
	count   int    // of the texts of the connection: each has a subject that none had before
}

// keep appends what is new of the open message.
func (o *openText) keep(ctx context.Context, c *conn, d codec.Delivery, kept int) error {
	s := c.server
	if kept == 0 || o.subject == "" {
		o.forget(c)
		o.count++
		o.subject = subjects.Open(s.site, s.bridge, c.session, o.count)
	}
	from := min(o.bytes, len(d.Raw))
	r := c.describe(d, c.messages+1)
	h := r.header(r.rawID(), "assaybus.open", "application/octet-stream")
	h[subjects.HeaderOffset] = strconv.Itoa(from)
	h[subjects.HeaderRawSequence] = sequenceText(s.logged.Load())
	_, err := s.store.put(ctx, Publication{
		Stream: subjects.StreamOpen, Subject: o.subject + "." + strconv.Itoa(from), Header: h, Body: d.Raw[from:],
	})
	if err == nil {
		o.bytes = len(d.Raw)
	}
	return err
}

// forget has what was kept removed: the message is in the log.
func (o *openText) forget(c *conn) {
	if o.subject != "" {
		c.server.sweeper.sweep(o.subject)
	}
	o.subject, o.bytes = "", 0
}

// sweeper removes from LAB_OPEN what is in the log, behind the sessions: what
// it does not come to is found in the log at the next start and removed then.
type sweeper struct {
	texts OpenTexts
	work  chan string
}

const (
	// sweepQueue is how many messages may wait to be removed; more are left to
	// the next start.
	sweepQueue = 4096
	// sweepPatience bounds one removal.
	sweepPatience = 5 * time.Second
)

func newSweeper(texts OpenTexts) *sweeper {
	return &sweeper{texts: texts, work: make(chan string, sweepQueue)}
}

func (w *sweeper) sweep(subject string) {
	select {
	case w.work <- subject:
	default:
	}
}

// run ends with ctx, after what waits then.
func (w *sweeper) run(ctx context.Context) {
	for {
		select {
		case subject := <-w.work:
			w.forget(subject)
			continue
		default:
		}
		select {
		case subject := <-w.work:
			w.forget(subject)
		case <-ctx.Done():
			return
		}
	}
}

func (w *sweeper) forget(subject string) {
	ctx, cancel := context.WithTimeout(context.Background(), sweepPatience)
	defer cancel()
	_ = w.texts.Forget(ctx, subject) // else the next start does
}

// sendersState is the name under which a bridge keeps which instruments have
// left the end of a message out.
const sendersState = "senders"

// saveSenders keeps that, when it has changed.
func (s *Server) saveSenders(ctx context.Context) {
	unended := s.senders.changes()
	if unended == nil || s.texts == nil {
		return
	}
	text, _ := json.Marshal(unended) // names always encode
	p := Publication{Stream: subjects.StreamOpen, Subject: subjects.State(s.site, s.bridge, sendersState), Header: map[string]string{}, Body: text}
	if _, err := s.store.attempt(ctx, p); err != nil {
		s.senders.keep()
		s.say.warn("senders", "which instruments leave the end of their messages out could not be kept; after a restart it is learned again", "error", err)
	}
}

// loadSenders takes what was kept.
func (s *Server) loadSenders(ctx context.Context, last uint64) error {
	q := Query{Stream: subjects.StreamOpen, Subjects: []string{subjects.State(s.site, s.bridge, sendersState)}, To: last}
	for m, err := range s.texts.Scan(ctx, q) {
		if err != nil {
			return err
		}
		var unended []string
		if err := json.Unmarshal(m.Body, &unended); err != nil {
			return err
		}
		s.senders.load(unended)
	}
	return nil
}
