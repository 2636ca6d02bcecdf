package astm

import "github.com/assaybus/assaybus/codec"

// The tolerances that must be switched on.
const (
	quirkNoChecksum      = "no-checksum"
	quirkAnyFrameNumber  = "any-frame-number"
	quirkImplicitSession = "implicit-session"
	quirkAckFirst        = "ack-first"
	quirkAckEveryControl = "ack-every-control"
)

// The oddities that are always tolerated and noted.
const (
	quirkNoLF        = "no-lf"
	quirkNoCR        = "no-cr"
	quirkNoCRLF      = "no-cr-lf"
	quirkLowerCase   = "lower-case-checksum"
	quirkNul         = "nul-before-enq"
	quirkUnterminate = "unterminated"
	quirkUnframed    = "unframed"
	quirkInsisted    = "frame-number-insisted"
	quirkSeveral     = "several-messages-in-frame"
)

func quirks() []codec.Quirk {
	return append([]codec.Quirk{
		{Name: quirkNoChecksum, Help: "frames without a checksum or with a wrong one (Roche AMPLILINK, replayed captures)"},
		{Name: quirkAnyFrameNumber, Help: "a frame with any number is a new frame unless it repeats the last one (Horiba Yumizen, Mindray CL)"},
		{Name: quirkImplicitSession, Help: "a frame without ENQ before it opens a session (serial device servers that reconnect, captures)"},
		{Name: quirkAckFirst, Help: "when both sides bid, answer the instrument's first ENQ at once (Mindray CL and others that do not bid again)"},
		{Name: quirkAckEveryControl, Help: "ENQ, STX, ETX and EOT each want an ACK, blocks have no number and no checksum (Snibe Maglumi X3)"},
	}, recordQuirks()...)
}

// noted are the oddities that are always tolerated: nothing that a message
// says can be taken for something else because of them.
func noted() []codec.Quirk {
	return []codec.Quirk{
		{Name: quirkNoLF, Help: "a frame ended with CR, without LF"},
		{Name: quirkNoCR, Help: "a frame ended with LF, without CR"},
		{Name: quirkNoCRLF, Help: "a frame ended with its checksum, without CR and LF"},
		{Name: quirkLowerCase, Help: "a checksum in lower-case digits"},
		{Name: quirkNul, Help: "NUL bytes before ENQ (Abbott m2000)"},
		{Name: quirkUnterminate, Help: "the message had no L record; the end of the session ended it"},
		{Name: quirkUnframed, Help: "records without frames and without ENQ (captures, serial printers)"},
		{Name: quirkInsisted, Help: "a frame that was refused for its number came again as it was; it was taken"},
		{Name: quirkSeveral, Help: "one frame held the end of several messages"},
	}
}

// speaks is the verdict on the first bytes of a conversation.
func speaks(first []byte) codec.Verdict {
	i := 0
	for i < len(first) && (first[i] == 0 || first[i] == cr || first[i] == lf) {
		i++
	}
	// Mindray haematology sends single 02 bytes as heartbeats on its HL7 link:
	// only what follows the last of them counts.
	for i+1 < len(first) && first[i] == stx && first[i+1] == stx {
		i++
	}
	if i == len(first) {
		return codec.Maybe
	}
	switch c, rest := first[i], first[i+1:]; {
	case c == enq || c == eot:
		return codec.Yes
	case c == stx:
		return speaksFrame(rest)
	case c|0x20 == 'h':
		if len(rest) == 0 {
			return codec.Maybe
		}
		if isDelimiter(rest[0]) {
			return codec.Yes
		}
	}
	return codec.No
}

// speaksFrame judges what follows an STX: a frame number, the H of a Maglumi
// block, or another protocol (RS: bioMérieux; P, I, R and FS: Dimension).
func speaksFrame(rest []byte) codec.Verdict {
	switch {
	case len(rest) == 0:
		return codec.Maybe
	case rest[0] >= '0' && rest[0] <= '9':
		return codec.Yes
	case rest[0] == cr, rest[0] == lf, rest[0] == 0:
		return speaks(rest)
	case rest[0]|0x20 != 'h':
		return codec.No
	case len(rest) == 1:
		return codec.Maybe
	case isDelimiter(rest[1]):
		return codec.Yes
	}
	return codec.No
}
