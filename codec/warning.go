package codec

// The codes of [Warning], with what each means to a person. A code is never
// renamed. WarningHelp holds the same table for pages and documentation.
const (
	WarnUnterminated    = "unterminated"     // the message has no terminator record
	WarnBadTimestamp    = "bad-timestamp"    // a time that does not exist; left out
	WarnBadBytes        = "bad-bytes"        // bytes that are not of the charset; U+FFFD in their place
	WarnUnknownCharset  = "unknown-charset"  // the message names a charset that is not known
	WarnAmbiguousNumber = "ambiguous-number" // digits with a comma or point that may be either; no number given
	WarnDelimiters      = "delimiters"       // missing, doubled or impossible delimiters

	WarnShiftedHeader     = "shifted-header"     // HL7: MSH has a field too few or too many before MSH-9
	WarnSegmentEnds       = "segment-ends"       // HL7: segments end in LF or CR LF
	WarnGluedSegments     = "glued-segments"     // HL7: the literal text <13> or <CR> between two segments
	WarnContinued         = "continued"          // HL7: ADD segments; a record continued or continuing
	WarnAttachmentElided  = "attachment-elided"  // encapsulated data left out of the records
	WarnAttachmentDamaged = "attachment-damaged" // encapsulated data that do not decode to their end
	WarnSeveralSpecimens  = "several-specimens"  // results of an order with several specimens: attributed to none
	WarnUnescapedUnits    = "unescaped-units"    // HL7: a caret in units that is no component separator
)

// WarningHelp tells a person what each warning code means.
var WarningHelp = map[string]string{
	WarnUnterminated:    "the message has no terminator record; what came was delivered",
	WarnBadTimestamp:    "a time that does not exist was left out",
	WarnBadBytes:        "bytes that are not of the stated charset became U+FFFD; the raw message keeps them",
	WarnUnknownCharset:  "the message names a charset that is not known; the fallback was used",
	WarnAmbiguousNumber: "a comma or point may be decimal or thousands: no number was given; set decimal_comma",
	WarnDelimiters:      "the header's delimiters are missing, doubled or impossible; the usual ones were used",

	WarnShiftedHeader:     "MSH has a field too few or too many before the message type; it was read where it stands",
	WarnSegmentEnds:       "segments end in LF or CR LF instead of CR",
	WarnGluedSegments:     "two segments were glued by the literal text <13> or <CR>; they were parted",
	WarnContinued:         "a segment came in parts (ADD); parts of this message were joined, a part at its beginning belongs to the message before",
	WarnAttachmentElided:  "an image or document was left out of the records; the raw message keeps it",
	WarnAttachmentDamaged: "an image or document does not decode to its end",
	WarnSeveralSpecimens:  "an order names several specimens and does not say which result is of which: none was attributed",
	WarnUnescapedUnits:    "a caret in units was not escaped (10^9/L); the units were read whole",
}
