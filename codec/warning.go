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

	WarnNoSpecimen       = "no-specimen"       // a result without a specimen id
	WarnAttachmentElided = "attachment-elided" // encapsulated data described, not repeated
	WarnUnknownRecord    = "unknown-record"    // a record or segment that the standard does not know
	WarnUnknownStatus    = "unknown-status"    // a result status that the standard does not know
	WarnAborted          = "aborted"           // the sender says that the transmission failed
	WarnLineFeed         = "line-feed"         // line feeds in place of, beside or without carriage returns
	WarnNoEscape         = "no-escape"         // ASTM: no escape character declared
	WarnEscapedDelimiter = "escaped-delimiter" // ASTM: a field delimiter protected by one escape character
	WarnExtraHeader      = "extra-header"      // ASTM: a second header without terminator before it
	WarnShiftedHeader    = "shifted-header"    // the header has a field too few or too many
	WarnAfterTerminator  = "after-terminator"  // ASTM: records behind the terminator
	WarnOrphanOrder      = "orphan-order"      // ASTM: an order without a patient record before it
	WarnOrphanResult     = "orphan-result"     // ASTM: a result without an order before it
	WarnSequence         = "sequence-number"   // ASTM: records are not counted as the standard says

	WarnGluedSegments     = "glued-segments"     // HL7: the literal text <13> or <CR> between two segments
	WarnContinued         = "continued"          // HL7: ADD segments; a record continued or continuing
	WarnPart              = "part"               // HL7: a part of a longer message (DSC); what it says is delivered with the last
	WarnAttachmentDamaged = "attachment-damaged" // encapsulated data that do not decode to their end
	WarnSeveralSpecimens  = "several-specimens"  // results of an order with several specimens: attributed to none
	WarnUnescapedUnits    = "unescaped-units"    // HL7: a caret in units that is no component separator

	WarnSpecimenChosen = "specimen-chosen" // more than one place could hold the specimen's id: one was chosen
	WarnJoinedLine     = "joined-line"     // a line that begins no record or segment was joined to the one before
	WarnCutValue       = "cut-value"       // a line end inside a result: what was cut is not known
)

// WarningHelp tells a person what each warning code means.
var WarningHelp = map[string]string{
	WarnUnterminated:    "the message has no terminator record; what came was delivered",
	WarnBadTimestamp:    "a time that does not exist was left out",
	WarnBadBytes:        "bytes that are not of the stated charset became U+FFFD; the raw message keeps them",
	WarnUnknownCharset:  "the message names a charset that is not known; the fallback was used",
	WarnAmbiguousNumber: "a comma or point may be decimal or thousands: no number was given; set decimal_comma or thousands_comma",
	WarnRecordsElided:   "the parsed message was too large for the bus with its records; the raw message has them",
	WarnDelimiters:      "the header's delimiters are missing, doubled or impossible; the usual ones were used",

	WarnNoSpecimen:       "a result has no specimen id where the standard puts it; set specimen_path",
	WarnAttachmentElided: "encapsulated data is described, not repeated; the raw message keeps it",
	WarnUnknownRecord:    "a record of an unknown type stands in records only",
	WarnUnknownStatus:    "a result status that the standard does not know was passed on as sent",
	WarnAborted:          "the sender ended the message as failed; complete records were delivered",
	WarnLineFeed:         "line feeds stand where only carriage returns belong; they end records only when there is no carriage return",
	WarnNoEscape:         "the header declares no escape character; nothing was unescaped",
	WarnEscapedDelimiter: "an escape character before a field delimiter made it text (Mindray)",
	WarnExtraHeader:      "a second header came without a terminator before it; it begins anew",
	WarnShiftedHeader:    "the header has a field too few or too many; what follows was taken from beside its place",
	WarnAfterTerminator:  "records came behind the terminator; they were delivered",
	WarnOrphanOrder:      "an order came without a patient record; it belongs to no patient",
	WarnOrphanResult:     "a result came without an order; it belongs to no specimen",
	WarnSequence:         "sequence numbers are not those of the standard; they were ignored",

	WarnGluedSegments:     "two segments were glued by the literal text <13> or <CR>; they were parted",
	WarnContinued:         "a segment came in parts (ADD); parts of this message were joined, a part at its beginning belongs to the message before",
	WarnPart:              "a part of a longer message (DSC): what it says is delivered, joined, with the last part",
	WarnAttachmentDamaged: "an image or document does not decode to its end",
	WarnSeveralSpecimens:  "an order names several specimens and does not say which result is of which: none was attributed",
	WarnUnescapedUnits:    "a caret in units was not escaped (10^9/L); the units were read whole",

	WarnSpecimenChosen: "more than one place could hold the specimen's id and one was chosen; set specimen_path to the right one",
	WarnJoinedLine:     "a line that begins no record or segment was joined to the one before: the sender does not escape line ends",
	WarnCutValue:       "a line end cut a result in two: it has no number and is questionable; have the sender escape line ends",
}
