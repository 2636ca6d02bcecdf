package bridge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// Reception is everything but the bytes that is known of one received
// message. It travels in the headers of the raw message, so that replay
// derives exactly what the live session derived.
type Reception struct {
	Site       string
	Instrument string
	Protocol   string // of the link
	Session    string
	N          int // counts the messages of the session, from 1
	Digest     string
	ReceivedAt time.Time
	Peer       string   // address of the instrument
	Quirks     []string // tolerances that the link needed for this message
	Batch      string   // control id of the batch that the message came in; "" = none that the link saw
	Parts      []uint64 // raw sequences of the parts before this one, when it continues them
	More       bool     // it is a part that another one is to continue
	Frames     string   // how it was framed, as codec.ParseFrames reads it; "" = not noted; on the raw message only
	Incomplete string   // reason of lab.failed when the transmission ended early; "" = complete

	joined string // digest of all parts, one behind the other, of the last one; "" = it has none before it
}

// Digest is the sha-256 of a raw message as the headers have it.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// rawID is the message id of the raw message.
func (r Reception) rawID() string { return subjects.RawID(r.Session, r.N, r.Digest) }

// parsedID is the id of what is derived. Without dedupe every reception is a
// message of its own; what is incomplete always is.
func (r Reception) parsedID(dedupe bool) string {
	if !dedupe || r.Incomplete != "" {
		return r.rawID()
	}
	return subjects.ParsedID(r.Site, r.Instrument, cmp.Or(r.joined, r.Digest))
}

// header is r as the headers of a message of the given type and id.
func (r Reception) header(id, ceType, contentType string) map[string]string {
	received := r.ReceivedAt.UTC().Format(time.RFC3339Nano)
	h := map[string]string{
		subjects.HeaderCESpecVersion: "1.0",
		subjects.HeaderCEID:          id,
		subjects.HeaderCESource:      "/assaybus/" + subjects.Token(r.Site) + "/" + subjects.Token(r.Instrument),
		subjects.HeaderCEType:        ceType,
		subjects.HeaderCETime:        received,
		subjects.HeaderCEContentType: contentType,
		subjects.HeaderSite:          headerValue(r.Site),
		subjects.HeaderInstrument:    headerValue(r.Instrument),
		subjects.HeaderProtocol:      r.Protocol,
		subjects.HeaderSession:       r.Session,
		subjects.HeaderDigest:        r.Digest,
		subjects.HeaderReceivedAt:    received,
	}
	if r.Peer != "" {
		h[subjects.HeaderPeer] = r.Peer
	}
	if len(r.Quirks) > 0 {
		h[subjects.HeaderQuirks] = strings.Join(r.Quirks, ",")
	}
	if r.Batch != "" {
		h[subjects.HeaderBatch] = headerValue(r.Batch)
	}
	if len(r.Parts) > 0 {
		h[subjects.HeaderParts] = partsText(r.Parts)
	}
	if r.More {
		h[subjects.HeaderPart] = subjects.PartMore
	}
	if r.Incomplete != "" {
		h[subjects.HeaderIncomplete] = r.Incomplete
	}
	return h
}

// ReceptionOf reads the headers of a raw message back; get returns a header's
// value or "".
func ReceptionOf(get func(name string) string) Reception {
	r := Reception{
		Site:       plainValue(get(subjects.HeaderSite)),
		Instrument: plainValue(get(subjects.HeaderInstrument)),
		Protocol:   get(subjects.HeaderProtocol),
		Session:    get(subjects.HeaderSession),
		Digest:     get(subjects.HeaderDigest),
		Peer:       get(subjects.HeaderPeer),
		Batch:      plainValue(get(subjects.HeaderBatch)),
		Parts:      parseParts(get(subjects.HeaderParts)),
		More:       get(subjects.HeaderPart) == subjects.PartMore,
		Frames:     get(subjects.HeaderFrames),
		Incomplete: get(subjects.HeaderIncomplete),
	}
	_, r.N, _, _ = subjects.ParseRawID(get(subjects.HeaderMsgID))
	r.ReceivedAt, _ = time.Parse(time.RFC3339Nano, get(subjects.HeaderReceivedAt))
	if q := get(subjects.HeaderQuirks); q != "" {
		r.Quirks = strings.Split(q, ",")
	}
	return r
}

// headerValue keeps an id readable and on one line (CloudEvents NATS binding:
// blanks, quotes, percent signs and what is not ASCII are percent-encoded).
func headerValue(s string) string { return url.PathEscape(s) }

func plainValue(s string) string {
	if p, err := url.PathUnescape(s); err == nil {
		return p
	}
	return s
}

// partsText is raw sequences as a header's value.
func partsText(parts []uint64) string {
	var b strings.Builder
	for n, sequence := range parts {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(sequenceText(sequence))
	}
	return b.String()
}

// parseParts is the reverse of partsText; nil for what is none.
func parseParts(text string) []uint64 {
	if text == "" {
		return nil
	}
	var parts []uint64
	for one := range strings.SplitSeq(text, ",") {
		sequence, err := strconv.ParseUint(one, 10, 64)
		if err != nil {
			return nil
		}
		parts = append(parts, sequence)
	}
	return parts
}

func sequenceText(seq uint64) string { return strconv.FormatUint(seq, 10) }
