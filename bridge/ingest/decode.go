package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// The reasons of failures that are found here and not by the bridge.
const (
	ReasonUndecodable = "undecodable" // not JSON, or of a schema that this binary does not know
	ReasonRefused     = "refused"     // the database will never take it
)

// item is a delivery with what answers it.
type item struct {
	Delivery
	msg    jetstream.Msg
	poison string // why it is terminated; "" = it is acknowledged
}

// take makes an item of a message. One that cannot be read is a failure.
func take(msg jetstream.Msg, meta *jetstream.MsgMetadata) item {
	it := item{msg: msg, Delivery: Delivery{
		Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp, Subject: msg.Subject(),
		Header: msg.Headers(), Body: msg.Data(),
	}}
	if err := it.decode(); err != nil {
		it.spoil(ReasonUndecodable, err)
	}
	return it
}

// decode reads the payload. Its errors hold no content.
func (d *Delivery) decode() error {
	if strings.HasPrefix(d.Subject, strings.TrimSuffix(subjects.AllFailed, ">")) {
		var f bridge.Failure
		if err := unmarshal(d.Body, &f); err != nil {
			return err
		}
		if f.Schema != bridge.FailedSchema {
			return fmt.Errorf("schema is not %s: upgrade assaybus ingest", bridge.FailedSchema)
		}
		if f.ID == "" {
			f.ID = d.id()
		}
		d.Failure = &f
		return nil
	}
	var m codec.Message
	if err := unmarshal(d.Body, &m); err != nil {
		return err
	}
	if m.Schema != codec.Schema {
		return fmt.Errorf("schema is not %s: upgrade assaybus ingest", codec.Schema)
	}
	if m.ID == "" {
		m.ID = d.id()
	}
	d.Message = &m
	return nil
}

// unmarshal is json.Unmarshal whose errors hold a position and no content.
func unmarshal(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("another type than the schema has at byte %d", kind.Offset)
	}
	return errors.New("not JSON of the schema")
}

// id is the message's id when its payload has none.
func (d *Delivery) id() string {
	if id := d.get(subjects.HeaderMsgID); id != "" {
		return id
	}
	return subjects.StreamParsed + "." + strconv.FormatUint(d.Sequence, 10) + "." + strconv.FormatInt(d.StoredAt.UnixNano(), 10)
}

// spoil makes it a failure that will be terminated once it is recorded.
func (it *item) spoil(reason string, cause error) {
	id := it.id()
	if it.Message != nil {
		id = it.Message.ID
	}
	r := bridge.ReceptionOf(it.get)
	f := &bridge.Failure{
		Schema: bridge.FailedSchema, ID: subjects.FailedID(id, reason),
		Site: r.Site, Instrument: r.Instrument, Protocol: r.Protocol,
		Reason: reason, Error: cause.Error(), Bytes: len(it.Body),
	}
	if !r.ReceivedAt.IsZero() {
		f.ReceivedAt = r.ReceivedAt.UTC().Format(time.RFC3339Nano)
	}
	f.RawSequence, _ = strconv.ParseUint(it.get(subjects.HeaderRawSequence), 10, 64)
	it.Message, it.Failure, it.poison = nil, f, reason+": "+cause.Error()
}

// Digest is a hash of the message's content: of all that was decoded from the
// bytes, without what tells one reception of them from another. It is "" for
// a Failure.
func (d Delivery) Digest() string {
	if d.Message == nil {
		return ""
	}
	m := *d.Message
	m.ReceivedAt, m.RawSequence, m.Parts, m.Quirks = "", 0, nil, nil
	body, err := json.Marshal(m)
	if err != nil {
		panic("a decoded Message always encodes: " + err.Error())
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}
