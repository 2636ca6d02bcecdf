package codec

import "strings"

// Unread reports what instruments write in the place of an id that they could
// not read, or that is not there: blanks, zeros and punctuation alone (padded
// fields, *****, -----), ERR and what follows it but letters (Sysmex), and
// words such as NO READ. It is also true of text that a control character
// cuts in two: nobody knows what the id was.
func Unread(id string) bool {
	letters, digits, zeros := 0, 0, 0
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '1' && c <= '9':
			digits++
		case c == '0':
			zeros++
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= 0x80:
			letters++
		case c < ' ':
			return true
		}
	}
	switch {
	case letters == 0:
		return digits == 0
	case letters > longestExcuse:
		return false
	}
	switch id[0] | 0x20 {
	case 'b', 'e', 'i', 'm', 'n', 'r', 's', 'u':
		return excuse(id)
	}
	return id[0] <= ' ' && excuse(strings.TrimLeft(id, " "))
}

// longestExcuse is how many letters of text are compared.
const longestExcuse = 24

// excuse reports the words that stand for an id.
func excuse(text string) bool {
	if rest, ok := cutFold(text, "ERR"); ok {
		if more, ok := cutFold(rest, "OR"); ok {
			rest = more
		}
		if rest == "" || rest[0] < 0x80 && (rest[0]|0x20 < 'a' || rest[0]|0x20 > 'z') {
			return true
		}
	}
	switch bareWord(text) {
	case "NOREAD", "NOTREAD", "UNREAD", "UNREADABLE", "MISREAD", "READERROR", "READERR", "READFAIL", "READFAILED",
		"BARCODEERROR", "BARCODEERR", "BARCODEREADERROR", "BARCODENOTREAD", "BCRERROR", "BCERROR", "BCERR",
		"NOBARCODE", "NOBARCODEREAD", "NOLABEL", "NOID", "NOSID", "NOSAMPLEID", "NOSPECIMENID",
		"SAMPLEIDERROR", "SAMPLEIDREADERROR", "IDERROR", "IDREADERROR", "NULL", "NONE", "UNKNOWN":
		return true
	}
	return false
}

// cutFold is strings.CutPrefix in either case.
func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// bareWord is the letters of text in upper case; "" when it has digits too.
func bareWord(text string) string {
	var word [longestExcuse]byte
	n := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z':
			word[n] = c - 'a' + 'A'
			n++
		case c >= 'A' && c <= 'Z':
			word[n] = c
			n++
		case c >= '0' && c <= '9', c >= 0x80:
			return ""
		}
	}
	return string(word[:n])
}

// ShortNumber reports a number of up to three digits: it may be an id, but as
// well the number of a run, a rack or a place in it.
func ShortNumber(id string) bool { return len(id) <= 3 && allDigits(id) }

// ControlWord reports the words by which instruments mark a control in the
// place of an id, a name or a descriptor. Only the whole text counts: a
// patient whose name begins so is a patient.
func ControlWord(text string) bool {
	switch len(text) { // nearly every text is none
	case len("QC"), len("CTRL"), len("CONTROL"), len("QUALITY CONTROL"):
	default:
		return false
	}
	switch strings.ToUpper(text) {
	case "QC", "CTRL", "CONTROL", "QUALITY CONTROL":
		return true
	}
	return false
}
