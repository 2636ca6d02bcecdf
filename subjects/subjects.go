// Package subjects is the grammar of assaybus on NATS: subjects, streams,
// headers and message ids. It knows names, not bytes, and imports nothing of
// ours.
package subjects

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The streams.
const (
	StreamRaw    = "LAB_RAW"
	StreamParsed = "LAB_PARSED"
	StreamLink   = "LAB_LINK"
)

// The wildcards of the streams. Services live under labsvc, never here: a
// JetStream PubAck would answer in their place.
const (
	AllRaw    = "lab.raw.>"
	AllParsed = "lab.parsed.>"
	AllFailed = "lab.failed.>"
	AllLink   = "lab.link.>"
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
	HeaderReplay      = "Assaybus-Replay"
	HeaderPeer        = "Assaybus-Peer"

	HeaderCESpecVersion = "ce-specversion"
	HeaderCEID          = "ce-id"
	HeaderCESource      = "ce-source"
	HeaderCEType        = "ce-type"
	HeaderCETime        = "ce-time"
	HeaderCEContentType = "ce-datacontenttype"
)

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

// maxToken keeps a subject far below the 4096 bytes of a NATS control line.
const maxToken = 64

// Token makes any id one subject token: [A-Za-z0-9_-] stay, every other byte
// becomes =XX, what is longer than 64 characters is cut and ends in a hash of
// the whole, and an empty id is "_". Different ids give different tokens.
func Token(id string) string {
	if id == "" {
		return "_"
	}
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if plain(c) && !(id == "_") {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
	}
	s := b.String()
	if len(s) <= maxToken {
		return s
	}
	sum := sha256.Sum256([]byte(id))
	tail := "=-" + hex.EncodeToString(sum[:8]) // =- is no escape, so no short id ends like this
	return s[:maxToken-len(tail)] + tail
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
