package hl7

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// kind is what the message is to a laboratory. The type of MSH-9 says what
// the sender meant; what the message carries decides where one type is used
// for several things.
func (w *walk) kind() string {
	switch w.code {
	case "ACK", "MCF", "QCK", "ORL":
		return codec.KindAck
	case "ORU", "OUL", "ORA":
		return w.resultKind()
	case "QBP", "QRY", "QSB", "QVR", "SQM", "VQQ", "SPQ", "EQQ", "RQQ":
		return codec.KindQuery
	case "ORM", "OML", "OMG", "OMP", "OMS", "OPL":
		if w.refill {
			return codec.KindQuery
		}
		return codec.KindOrder
	case "DSR", "ORF", "RSP", "ORR", "ERP", "TBR", "RTB", "EDR":
		return w.responseKind()
	case "ADT", "BAR", "DFT", "MDM", "MFN", "SIU", "VXU", "PPR", "REF",
		"SSU", "SSR", "ESU", "ESR", "INU", "INR", "EAC", "EAN", "EAR", "LSU", "LSR", "TCU", "TCR",
		"NMD", "NMQ", "NMR", "QCN", "UDM":
		return codec.KindOther
	}
	switch { // a type of the sender's own
	case w.answers:
		return w.responseKind()
	case len(w.m.Results) > 0:
		return w.resultKind()
	case len(w.m.Queries) > 0:
		return codec.KindQuery
	}
	return codec.KindOther
}

// responseKind: a response that brings work is an order, one that brings none
// only acknowledges.
func (w *walk) responseKind() string {
	switch {
	case w.display29, w.t.obr > 0:
		return codec.KindOrder
	case w.answers:
		return codec.KindAck
	}
	return codec.KindOther
}

// resultKind parts patients' results from quality control and calibration. A
// message without any order or result is a test of the connection.
func (w *walk) resultKind() string {
	switch {
	case len(w.m.Results) == 0 && w.t.obr == 0:
		return codec.KindOther
	case w.processing == "Q", w.classIs('2', '1'):
		return codec.KindQC
	case w.classIs('1', '2'), len(w.groups) > 0 && !slices.ContainsFunc(w.groups, notCalibration):
		return codec.KindOther
	}
	if slices.ContainsFunc(w.groups, isNamed) {
		// A sender that names controls in INV and marks every specimen Q,
		// patients' too (cobas 4800), means only those with a name.
		if slices.ContainsFunc(w.groups, notNamed) {
			return codec.KindResult
		}
		return codec.KindQC
	}
	if len(w.groups) > 0 && !slices.ContainsFunc(w.groups, notControl) {
		return codec.KindQC
	}
	return codec.KindResult
}

func notCalibration(g group) bool { return !g.calibration }
func isNamed(g group) bool        { return g.named }
func notNamed(g group) bool       { return !g.named }
func notControl(g group) bool     { return !g.control }

// classIs compares MSH-16 as a result class: 0 sample, 1 calibration, 2
// quality control (Mindray chemistry and CLIA host interface manuals). EDAN,
// which names itself EDANLAB in MSH-4, has 1 for quality control and 2 for a
// test of the connection (H60/H90 protocol).
func (w *walk) classIs(mindray, edan byte) bool {
	if w.fromEDAN {
		return w.class == edan
	}
	return w.class == mindray
}

// addGroup notes what the scope that now holds an order or a result is for.
func (w *walk) addGroup() {
	role := w.value(at(w.spm, 11))
	w.groups = append(w.groups, group{
		// OBR-4 LQC is how HemoScreen marks liquid quality control.
		control:     role == "Q" || strings.EqualFold(w.value(at(w.obr, 4)), "LQC") || role != "P" && (w.controlPatient || w.controlOrder()),
		named:       w.named,
		calibration: role == "C",
	})
}

// controlOrder reports an OBR-4 that says in one of its components that it is
// quality control.
func (w *walk) controlOrder() bool {
	words := w.words(at(w.obr, 4))
	return slices.ContainsFunc(words[:], codec.ControlWord)
}

// controlIdentity reports a PID that is a control's: the assigning authority of
// an id in PID-3, or a whole component of the name in PID-5, says so. A patient
// whose name merely begins so is a patient.
func (w *walk) controlIdentity(r []string) bool {
	field := at(r, 3)
	for more := field != ""; more; {
		var id string
		if id, field, more = w.d.nextRepetition(field); codec.ControlWord(w.word(id, 4)) {
			return true
		}
	}
	name := w.words(at(r, 5))
	return slices.ContainsFunc(name[:], codec.ControlWord)
}

// inventory reads INV only for the name of a control (type CO of HL7 table
// 0384) in a specimen that is one; the records keep all of it.
func (w *walk) inventory(r []string) {
	if w.value(at(r, 3)) != "CO" || w.value(at(w.spm, 11)) != "Q" {
		return
	}
	w.named = true
	if n := len(w.groups); n > 0 && w.covered {
		w.groups[n-1].named = true
	}
}
