package hl7

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// path is one entry of Options.SpecimenPath: "OBR-2", "SPM-2.1", "SPM-2.1.1".
type path struct {
	place                 codec.Place
	segment               string
	field, component, sub int
}

// readPaths are the entries that name a segment; those of ASTM, which have no
// dash, are not ours. An entry of our form that leads nowhere is refused:
// another specimen id would be taken in its place.
func readPaths(entries []string) ([]path, error) {
	var paths []path
	for _, entry := range entries {
		place, err := codec.ParsePlace(entry)
		if err != nil {
			return nil, err
		}
		p, ok := parsePath(place.Path)
		if !ok && strings.Contains(place.Path, "-") {
			return nil, fmt.Errorf("specimen_path: unknown place (got %q, want a segment of PID, SPM, SAC, ORC, OBR, QPD, QRD, QRF and a field, such as SPM-2.1)", entry)
		}
		if ok {
			p.place = place
			paths = append(paths, p)
		}
	}
	return paths, nil
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
	return p.place.Of(strings.TrimSpace(w.decode(w.d.subpart(w.d.part(w.d.first(at(record, p.field)), p.component), p.sub))))
}
