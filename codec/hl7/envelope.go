package hl7

import "bytes"

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
	var pieces [][]byte
	begin, envelope, found := 0, -1, false
	for at := 0; at < len(raw); {
		end := lineEnd(raw, at)
		switch name := segmentName(raw[at:end]); {
		case name == "MSH":
			cut := at
			if envelope >= 0 {
				cut = envelope
			}
			if found {
				pieces = append(pieces, raw[begin:cut:cut])
				begin = cut
			}
			found, envelope = true, -1
		case name == "FHS" || name == "BHS":
			if envelope < 0 {
				envelope = at
			}
		case len(bytes.TrimSpace(raw[at:end])) > 0:
			envelope = -1
		}
		at = end
	}
	return append(pieces, raw[begin:])
}

// lineEnd is the index behind the line that begins at at, its CR or LF
// included.
func lineEnd(raw []byte, at int) int {
	for i := at; i < len(raw); i++ {
		if raw[i] == '\r' || raw[i] == '\n' {
			return i + 1
		}
	}
	return len(raw)
}

// segmentName is MSH, FHS or BHS when line begins such a segment, else
// nothing. Blanks, control bytes and a byte order mark may come before it.
func segmentName(line []byte) string {
	line = bytes.TrimPrefix(line, []byte("\xEF\xBB\xBF"))
	for len(line) > 0 && line[0] <= ' ' {
		line = line[1:]
	}
	if len(line) < 4 || !separator(line[3]) {
		return ""
	}
	switch name := string(line[:3]); name {
	case "MSH", "FHS", "BHS":
		return name
	}
	return ""
}

// separator tells whether c can be a field separator.
func separator(c byte) bool {
	return c > ' ' && c < 0x7F && !letterOrDigit(c)
}

func letterOrDigit(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}
