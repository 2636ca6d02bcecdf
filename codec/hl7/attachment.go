package hl7

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// attach describes encapsulated data instead of a value: type ED in all its
// forms (source^type^subtype^encoding^data, PNG^Base64^data, bare base64), and
// base64 in a text type. An image that is broken is described and warned
// about; it never fails the message. The data are left out of the records.
func (w *walk) attach(x *codec.Result, r []string, i int) bool {
	field := 5
	if x.ValueType == "ED" && at(r, 5) == "" && len(at(r, 4)) > 32 {
		field = 4 // a sender that lost a separator (URIT)
	}
	data, encoding, found := w.encapsulated(at(r, field), x.ValueType)
	if !found {
		return false
	}
	if encoding == "" && field == 5 { // the word may stand in OBX-4
		encoding = encodingWord(w.value(at(r, 4)))
	}
	a, intact := codec.DescribeAttachment(data, encoding)
	x.Attachment = &a
	x.Supplementary = true
	if !intact {
		w.warn(i, field, codec.WarnAttachmentDamaged)
	}
	from := strings.LastIndex(r[field], data)
	r[field] = r[field][:from] + r[field][from+len(data):]
	w.warn(i, field, codec.WarnAttachmentElided)
	if field == 4 {
		x.Aspect = ""
	}
	return true
}

// encapsulated finds the data in a field, and the word that tells how they
// are encoded.
func (w *walk) encapsulated(field, valueType string) (data, encoding string, found bool) {
	if valueType != "ED" && (len(field) < 64 || valueType == "NM" || valueType == "RP") {
		return "", "", false // most fields: not worth a look
	}
	rest := field
	for {
		before, after, more := cutByte(rest, w.d.component)
		if !more {
			break
		}
		if word := encodingWord(before); word != "" {
			data, _, _ = cutByte(after, w.d.component)
			return data, word, data != "" && (valueType == "ED" || codec.LooksEncapsulated(data))
		}
		rest = after
	}
	if valueType != "ED" {
		return field, "base64", codec.LooksEncapsulated(field)
	}
	// No encoding word: the longest component.
	parts := strings.Split(field, string(rune(w.d.component)))
	data = slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
	return data, "", data != ""
}

// encodingWord is base64 or hex in one spelling (HL7 table 0299), A for data
// as they are, or nothing.
func encodingWord(s string) string {
	switch {
	case strings.EqualFold(s, "base64"):
		return "base64"
	case strings.EqualFold(s, "hex"):
		return "hex"
	case s == "A":
		return "none"
	}
	return ""
}
