// Package subjects is the grammar of assaybus on NATS: subjects, streams,
// headers and message ids. It knows names, not bytes, and imports nothing of
// ours.
package subjects

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// The streams.
const (
	StreamRaw    = "LAB_RAW"
	StreamParsed = "LAB_PARSED"
	StreamLink   = "LAB_LINK"
	StreamOpen   = "LAB_OPEN"
)

// The wildcards of the streams. Services live under labsvc, never here: a
// JetStream PubAck would answer in their place.
const (
	AllRaw    = "lab.raw.>"
	AllParsed = "lab.parsed.>"
	AllFailed = "lab.failed.>"
	AllLink   = "lab.link.>"
	AllOpen   = "lab.open.>"
	AllState  = "lab.state.>"
)

// The headers of raw, parsed and failed messages. NATS header names are case
// sensitive: these are written as they stand.
const (
	HeaderMsgID       = "Nats-Msg-Id"
	HeaderInstrument  = "Assaybus-Instrument"
	HeaderSite        = "Assaybus-Site"
	HeaderProtocol    = "Assaybus-Protocol"
	HeaderSession     = "Assaybus-Session"
	HeaderDigest      = "Assaybus-Digest"
	HeaderReceivedAt  = "Assaybus-Received-At"
	HeaderRawSequence = "Assaybus-Raw-Sequence"
	HeaderQuirks      = "Assaybus-Quirks"
	HeaderBatch       = "Assaybus-Batch"
	HeaderParts       = "Assaybus-Parts"    // raw sequences of the parts before this one of a continued message: 41,42
	HeaderPart        = "Assaybus-Part"     // PartMore on a part that has more to follow
	HeaderReplay      = "Assaybus-Replay"   // the run that published it again
	HeaderRevision    = "Assaybus-Revision" // of this message id; a message without it is revision 1
	HeaderPeer        = "Assaybus-Peer"
	HeaderOffset      = "Assaybus-Offset" // of the text of an open message: how many bytes of it come before
	HeaderFrames      = "Assaybus-Frames" // of raw only: how the message was framed; codec.ParseFrames reads it

	HeaderCESpecVersion = "ce-specversion"
	HeaderCEID          = "ce-id"
	HeaderCESource      = "ce-source"
	HeaderCEType        = "ce-type"
	HeaderCETime        = "ce-time"
	HeaderCEContentType = "ce-datacontenttype"
)

// PartMore is the value of [HeaderPart].
const PartMore = "more"

// The reasons of lab.failed.
const (
	ReasonUnparsable = "unparsable"
	ReasonIncomplete = "incomplete"
	ReasonOversize   = "oversize"
	ReasonUnknown    = "unknown"
)

// The events of lab.link.
const (
	EventListening    = "listening"
	EventConnected    = "connected"
	EventTransmission = "transmission"
	EventRefused      = "refused"
	EventDisconnected = "disconnected"
	EventSilent       = "silent"
)

// Raw is the subject of a raw message.
func Raw(site, instrument string) string {
	return "lab.raw." + Token(site) + "." + Token(instrument)
}

// Parsed is the subject of a parsed message.
func Parsed(site, instrument, kind string) string {
	return "lab.parsed." + Token(site) + "." + Token(instrument) + "." + Token(kind)
}

// Failed is the subject of a message that could not be parsed or completed.
func Failed(site, instrument, reason string) string {
	return "lab.failed." + Token(site) + "." + Token(instrument) + "." + Token(reason)
}

// Link is the subject of a link event.
func Link(site, instrument, event string) string {
	return "lab.link." + Token(site) + "." + Token(instrument) + "." + Token(event)
}

// Open is the subject of the n-th open message of a session: what an instrument
// has had acknowledged of a message whose end it may never send. Its pieces are
// published one token below.
func Open(site, bridge, session string, n int) string {
	return "lab.open." + Token(site) + "." + Token(bridge) + "." + Token(session) + "." + strconv.Itoa(n)
}

// State is the subject of what a bridge remembers under a name.
func State(site, bridge, name string) string {
	return "lab.state." + Token(site) + "." + Token(bridge) + "." + Token(name)
}

// maxToken keeps a subject far below the 4096 bytes of a NATS control line.
const maxToken = 64

// tailBytes of the hash tell cut tokens apart.
const tailBytes = 8

// Token makes any id one subject token: [A-Za-z0-9_-] stay, every other byte
// becomes =XX, what is longer than 64 characters is cut between two of these
// and ends in a hash of the whole, and an empty id is "_". Different ids give
// different tokens.
func Token(id string) string {
	switch id {
	case "":
		return "_"
	case "_":
		return "=5F"
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	cut := 0 // where a token that is too long ends
	for i := range len(id) {
		if b.Len() > maxToken {
			break
		}
		if b.Len() <= maxToken-len("=-")-2*tailBytes {
			cut = b.Len()
		}
		if c := id[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteString("=" + digits[c>>4:c>>4+1] + digits[c&15:c&15+1])
		}
	}
	s := b.String()
	if len(s) <= maxToken {
		return s
	}
	sum := sha256.Sum256([]byte(id))
	return s[:cut] + "=-" + hex.EncodeToString(sum[:tailBytes]) // =- is no escape, so no short id ends like this
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
