package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// edan tells whether the sender names itself EDANLAB in MSH-4. Its hematology
// analyzers (H30 to H90, communication protocol) put other things into some
// fields: OBX-3 tells whether the result is suspect, OBX-4 is the test, OBX-13
// the flag; PID-3 is the patient's age, PID-2 the id.
func (w *walk) edan() bool { return strings.HasPrefix(w.msh(4), "EDAN") }

// identifyEDAN reads OBX-3, OBX-4 and OBX-13 as EDAN means them. A row with a
// proper code in OBX-3 is nobody's dialect.
func (w *walk) identifyEDAN(x *codec.Result, r []string) bool {
	suspect := w.value(at(r, 3))
	if suspect != "0" && suspect != "1" || at(r, 4) == "" {
		return false
	}
	x.Code, x.Name = w.value(at(r, 4)), w.word(at(r, 4), 2)
	x.Questionable = suspect == "1"
	if flags := w.flagsOf(at(r, 13)); flags != nil {
		x.Flags = flags
	}
	return true
}
