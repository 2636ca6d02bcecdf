package hl7

import "slices"

// Messages cuts raw into the messages that it holds, one MSH in each (HL7
// v2.5.1 §2.10.3: [FHS] {[BHS] {message} [BTS]} [FTS], every part of the
// envelope optional). The pieces are contiguous and cover every byte of raw:
// what opens an envelope goes with the message that follows, what closes one
// with the message before. Text is cut only where a segment MSH begins, which
// is at the beginning of raw or behind CR or LF. raw without MSH is one piece;
// empty raw is none. The pieces share raw's memory.
func Messages(raw []byte) [][]byte {
	if len(raw) == 0 {
		return nil
	}
	return slices.Collect(messages(raw))
}
