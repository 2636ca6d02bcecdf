package astm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// path is a place in a record: "O.4.3", "P.4", "Q.3.2". Component 0 is the
// first that holds something.
type path struct {
	place            codec.Place
	letter           byte
	field, component int
	id               string // what stands there in the patient at hand
}

// readPaths are the ASTM ones of an instrument's specimen paths; those of HL7
// have a dash ("SPM-2.1") and are left to HL7. An entry of our form that leads
// nowhere is refused: another specimen id would be taken in its place.
func readPaths(entries []string) ([]path, error) {
	var out []path
	for _, entry := range entries {
		place, err := codec.ParsePlace(entry)
		if err != nil {
			return nil, err
		}
		if strings.Contains(place.Path, "-") {
			continue
		}
		p, ok := parsePath(place.Path)
		if !ok {
			return nil, fmt.Errorf("specimen_path: unknown place (got %q, want a field of O or P, Q.3, or a segment and a field of HL7, such as O.4.3 or SPM-2.1)", entry)
		}
		p.place = place
		out = append(out, p)
	}
	return out, nil
}

// orderPaths are those of orders and patients, to be written into.
func orderPaths(all []path) []path {
	return slices.DeleteFunc(slices.Clone(all), func(p path) bool { return p.letter == 'Q' })
}

func parsePath(text string) (path, bool) {
	parts := strings.Split(strings.ToUpper(strings.TrimSpace(text)), ".")
	if len(parts) < 2 || len(parts) > 3 || len(parts[0]) != 1 || strings.IndexByte("OPQ", parts[0][0]) < 0 {
		return path{}, false
	}
	p := path{letter: parts[0][0]}
	for i, part := range parts[1:] {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return path{}, false
		}
		if i == 0 {
			p.field = n
		} else {
			p.component = n
		}
	}
	return p, p.letter != 'Q' || p.field == 3
}

// follow reads the place in the record at hand.
func (w *walk) follow(p path) string {
	for repeat := range w.repeats(w.field(p.field)) {
		if id := w.at(p, repeat); id != "" {
			return id
		}
	}
	return ""
}

// at is the id that stands at the place in one repeat of its field.
func (w *walk) at(p path, repeat string) string {
	if p.component == 0 {
		return identity(p.place.Of(w.firstValued(repeat)))
	}
	return identity(p.place.Of(w.decode(w.d.nth(repeat, p.component))))
}

// identity is text where it can be an id.
func identity(text string) string {
	if codec.Unread(text) {
		return ""
	}
	return text
}
