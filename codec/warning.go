package codec

// The codes of [Warning], with what each means to a person. A code is never
// renamed. WarningHelp holds the same table for pages and documentation.
const (
	WarnUnterminated    = "unterminated"     // the message has no terminator record
	WarnBadTimestamp    = "bad-timestamp"    // a time that does not exist; left out
	WarnBadBytes        = "bad-bytes"        // bytes that are not of the charset; U+FFFD in their place
	WarnUnknownCharset  = "unknown-charset"  // the message names a charset that is not known
	WarnAmbiguousNumber = "ambiguous-number" // digits with a comma or point that may be either; no number given
	WarnRecordsElided   = "records-elided"   // the message is too large for the bus with its records; raw has them
	WarnDelimiters      = "delimiters"       // missing, doubled or impossible delimiters
)

// WarningHelp tells a person what each warning code means.
var WarningHelp = map[string]string{
	WarnUnterminated:    "the message has no terminator record; what came was delivered",
	WarnBadTimestamp:    "a time that does not exist was left out",
	WarnBadBytes:        "bytes that are not of the stated charset became U+FFFD; the raw message keeps them",
	WarnUnknownCharset:  "the message names a charset that is not known; the fallback was used",
	WarnAmbiguousNumber: "a comma or point may be decimal or thousands: no number was given; set decimal_comma",
	WarnRecordsElided:   "the parsed message was too large for the bus with its records; the raw message has them",
	WarnDelimiters:      "the header's delimiters are missing, doubled or impossible; the usual ones were used",
}
