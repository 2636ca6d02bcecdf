package astm

import (
	"strconv"
	"strings"
)

// path is a place in a record: "O.4.3", "P.4", "Q.3.2". Component 0 is the
// first that holds something.
type path struct {
	letter           byte
	field, component int
	id               string // what stands there in the patient at hand
}

// paths are the ASTM ones of an instrument's specimen paths; those of HL7
// ("SPM-2.1") are left to HL7.
func paths(list []string) []path {
	var out []path
	for _, text := range list {
		if p, ok := parsePath(text); ok && p.letter != 'Q' {
			out = append(out, p)
		}
	}
	return out
}

// queryComponent is the component of Q.3 that the options name, or 0.
func queryComponent(list []string) int {
	for _, text := range list {
		if p, ok := parsePath(text); ok && p.letter == 'Q' && p.field == 3 {
			return p.component
		}
	}
	return 0
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
	return p, true
}

// follow reads the place in the record at hand.
func (w *walk) follow(p path) string {
	for repeat := range w.repeats(w.field(p.field)) {
		id := w.firstValued(repeat)
		if p.component > 0 {
			id = w.decode(w.d.nth(repeat, p.component))
		}
		if id != "" {
			return id
		}
	}
	return ""
}
