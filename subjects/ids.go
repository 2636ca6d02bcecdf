package subjects

import (
	"strconv"
	"strings"
)

// HeaderIncomplete marks a raw message whose transmission ended before the
// message did; its value is the reason of lab.failed.
const HeaderIncomplete = "Assaybus-Incomplete"

// RawID is the message id of a raw message: n counts the messages of the
// session, so that only our own repeated publishes collapse and every
// reception is archived.
func RawID(session string, n int, digest string) string {
	return session + "." + strconv.Itoa(n) + "." + digest
}

// ParseRawID takes a raw message's id apart; ok is false when it is none.
func ParseRawID(id string) (session string, n int, digest string, ok bool) {
	session, rest, ok := strings.Cut(id, ".")
	if !ok {
		return "", 0, "", false
	}
	count, digest, ok := strings.Cut(rest, ".")
	if !ok {
		return "", 0, "", false
	}
	n, err := strconv.Atoi(count)
	return session, n, digest, err == nil && session != "" && digest != ""
}

// ParsedID is the message id of a parsed message: a byte-identical repeat,
// sent because our acknowledgement was lost, has the same one. It is never
// the control id alone: different messages reuse that.
func ParsedID(site, instrument, digest string) string {
	return Token(site) + "." + Token(instrument) + "." + digest
}

// FailedID is the message id of a failure. It is never the id of the parsed
// message: what failed once may be parsed later.
func FailedID(id, reason string) string { return id + "." + Token(reason) }
