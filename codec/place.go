package codec

import (
	"fmt"
	"regexp"
	"strings"
)

// Place is an entry of [Options.SpecimenPath]: where an id stands in the
// protocol's own notation, and behind a slash what of the text there is the
// id ("SPM-2/[0-9]{6,}$" for ids behind what an operator typed).
type Place struct {
	Path    string // "O.4.3", "SPM-2.1"
	pattern *regexp.Regexp
}

// ParsePlace reads an entry. Its error is a pattern that is no regular
// expression (RE2 syntax, as Go has it) or one that matches nothing at all,
// which would be an empty id.
func ParsePlace(entry string) (Place, error) {
	path, pattern, found := strings.Cut(entry, "/")
	p := Place{Path: strings.TrimSpace(path)}
	if !found {
		return p, nil
	}
	var err error
	if p.pattern, err = regexp.Compile(pattern); err != nil {
		return p, fmt.Errorf("specimen_path: behind the slash belongs a regular expression such as [0-9]{6,}$ (got %q): %w", entry, err)
	}
	if p.pattern.MatchString("") {
		return p, fmt.Errorf("specimen_path: the pattern behind the slash matches an empty id (got %q): name at least one character", entry)
	}
	return p, nil
}

// Of is the id in text: all of it, or the first part that the pattern
// matches; "" when nothing does.
func (p Place) Of(text string) string {
	if p.pattern == nil {
		return text
	}
	return p.pattern.FindString(text)
}
