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

// ReplayID is the message id under which a run publishes again what was
// derived from the message with the given base id: a second attempt of the
// same run has the same one.
func ReplayID(base, run string) string { return base + replayed + run }

const replayed = ".replay."

// BaseID is what the ids of everything derived from one message share: a
// parsed message's own id, a failure's without the reason, a replayed one's
// without the run. subject and run are the message's subject and its
// [HeaderReplay].
func BaseID(id, subject, run string) string {
	switch {
	case run != "":
		return strings.TrimSuffix(id, replayed+run)
	case strings.HasPrefix(subject, "lab.failed."):
		return strings.TrimSuffix(id, subject[strings.LastIndexByte(subject, '.'):])
	}
	return id
}
