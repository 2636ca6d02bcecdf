package hl7

import (
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// cutResult takes line i, which cannot begin a segment, for the tail of the
// OBX before it: a line end stood in one of its fields, and what of the field
// is missing, a part of a number or a word, cannot be told. Where that is the
// value or what stands up to the status, the result must not look whole: its
// value is text, questionable, and has no status that the segment does not say.
func (w *walk) cutResult(i int) {
	obx := i - 1
	for obx >= 0 && !segmentName(w.t.records[obx][0]) {
		obx-- // other tails of it
	}
	if obx < 0 || w.t.records[obx][0] != "OBX" || w.result < 0 || w.m.Results[w.result].Record != obx+1 {
		return
	}
	const status = 11
	r := w.t.records[obx]
	if len(r) > status && at(r, status) != "" {
		return // the line end stands behind all that the result is
	}
	x := &w.m.Results[w.result]
	if slices.Contains(x.Warnings, codec.WarnCutValue) {
		return
	}
	x.Number, x.Comparator, x.Status, x.Questionable = nil, "", "", true
	x.Warnings = append(x.Warnings, codec.WarnCutValue)
	w.warn(obx, len(r)-1, codec.WarnCutValue)
}
