package hl7

import (
	"fmt"
	"strconv"
	"strings"
)

// path is one entry of Options.SpecimenPath: "OBR-2", "SPM-2.1", "SPM-2.1.1".
type path struct {
	segment               string
	field, component, sub int
}

// hl7Paths are the entries that name a segment; those of ASTM are not ours.
func hl7Paths(entries []string) []path {
	var paths []path
	for _, entry := range entries {
		if p, ok := parsePath(entry); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

// checkPaths refuses an entry that has the form of ours, a dash, and leads
// nowhere: another specimen id would be taken in its place.
func checkPaths(entries []string) error {
	for _, entry := range entries {
		if _, ok := parsePath(entry); !ok && strings.Contains(entry, "-") {
			return fmt.Errorf("specimen_path: unknown place (got %q, want a segment of PID, SPM, SAC, ORC, OBR, QPD, QRD, QRF and a field, such as SPM-2.1)", entry)
		}
	}
	return nil
}

func parsePath(entry string) (path, bool) {
	segment, rest, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(entry)), "-")
	p := path{segment: segment, component: 1, sub: 1}
	switch segment {
	case "PID", "SPM", "SAC", "ORC", "OBR", "QPD", "QRD", "QRF":
	default:
		return path{}, false
	}
	into := [...]*int{&p.field, &p.component, &p.sub}
	numbers := strings.Split(rest, ".")
	if len(numbers) > len(into) {
		return path{}, false
	}
	for i, digits := range numbers {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 {
			return path{}, false
		}
		*into[i] = n
	}
	return p, true
}

func (p path) query() bool { return p.segment == "QPD" || p.segment == "QRD" || p.segment == "QRF" }

// follow is the id that a path leads to in a segment.
func (w *walk) follow(p path, record []string) string {
	return strings.TrimSpace(w.decode(w.d.subpart(w.d.part(w.d.first(at(record, p.field)), p.component), p.sub)))
}
