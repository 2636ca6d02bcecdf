package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/assaybus/assaybus/bridge"
)

// The bounds of what is shown; the download has everything.
const (
	maxShown = 256 << 10 // bytes of raw
	maxNodes = 20_000    // of the tree
)

// failure decodes the body of a failed message.
func (e Entry) failure() (*bridge.Failure, error) {
	var f bridge.Failure
	if err := json.Unmarshal(e.Body, &f); err != nil {
		return nil, fmt.Errorf("failure %d is none of ours: %w", e.Sequence, err)
	}
	return &f, nil
}

// rawView is a raw message record by record.
type rawView struct {
	Bytes   int
	Records []rawRecord
	Cut     bool // there is more than is shown
}

// rawRecord is one record or segment with its end.
type rawRecord struct {
	Number, Offset int
	Type           string // its first letters: H, P, MSH; empty when it has none
	Pieces         []piece
}

// piece is text of one sort: content, delimiter or control character.
type piece struct {
	Text string
	Sort string // "", "delimiter", "control", "frame" (stood around the text), "added" (was not sent)
}

// viewRaw takes raw apart behind each CR, CR LF or LF, with the marks of its
// frames.
func viewRaw(raw []byte, frames framesView) rawView {
	v := rawView{Bytes: len(raw), Cut: len(raw) > maxShown}
	rest, offset := raw[:min(len(raw), maxShown)], 0
	marks := frames.marks(len(rest))
	for len(rest) > 0 {
		end := len(rest)
		if at := bytes.IndexAny(rest, "\r\n"); at >= 0 {
			end = at + 1
			if rest[at] == '\r' && end < len(rest) && rest[end] == '\n' {
				end++
			}
		}
		r := rawRecord{Number: len(v.Records) + 1, Offset: offset, Type: recordType(rest[:end])}
		r.Pieces, marks = marked(rest[:end], offset, end == len(rest), marks)
		v.Records = append(v.Records, r)
		rest, offset = rest[end:], offset+end
	}
	return v
}

// recordType is the letters and digits at the beginning, when they are few.
func recordType(line []byte) string {
	n := 0
	for n < len(line) && n < 4 && (line[n] >= 'A' && line[n] <= 'Z' || n > 0 && line[n] >= '0' && line[n] <= '9') {
		n++
	}
	if n == 0 || n > 3 {
		return ""
	}
	return string(line[:n])
}

// controlName is a control character's name: every font has its letters.
func controlName(r rune) string {
	if r == 0x7F {
		return "DEL"
	}
	return strings.Fields("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US")[r]
}

// pieces makes bytes visible: control characters become their names, bytes
// that are not UTF-8 or do not print become \xXX, delimiters are told apart.
func pieces(line []byte) []piece {
	var out []piece
	var text strings.Builder
	sort := ""
	put := func(s, as string) {
		if (as != sort || as == "control") && text.Len() > 0 {
			out = append(out, piece{text.String(), sort})
			text.Reset()
		}
		sort = as
		text.WriteString(s)
	}
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r < 0x20 || r == 0x7F:
			put(controlName(r), "control")
		case r == utf8.RuneError && n == 1, r > 0x7F && !unicode.IsPrint(r):
			for _, c := range line[:n] {
				put(fmt.Sprintf(`\x%02X`, c), "control")
			}
		case strings.ContainsRune(`|^~&\`, r):
			put(string(r), "delimiter")
		default:
			put(string(r), "")
		}
		line = line[n:]
	}
	if text.Len() > 0 {
		out = append(out, piece{text.String(), sort})
	}
	return out
}

// node is a value of the parsed message.
type node struct {
	Key      string
	Value    string
	Leaf     bool
	Children []node
}

var errLarge = errors.New("too many values to show; read the parsed message from the stream")

// tree takes parsed JSON apart, in its order; records stand in raw.
func tree(body []byte) ([]node, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	left := maxNodes
	root, err := value(d, "", &left)
	if errors.Is(err, errLarge) {
		return []node{{Key: "message", Value: errLarge.Error(), Leaf: true}}, nil
	}
	return root.Children, err
}

func value(d *json.Decoder, key string, left *int) (node, error) {
	if *left--; *left < 0 {
		return node{}, errLarge
	}
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	open, nested := token.(json.Delim)
	if !nested {
		return node{Key: key, Value: fmt.Sprint(token), Leaf: true}, nil
	}
	n := node{Key: key}
	for d.More() {
		name := fmt.Sprint(len(n.Children) + 1)
		if open == '{' {
			k, err := d.Token()
			if err != nil {
				return node{}, err
			}
			name = fmt.Sprint(k)
			if key == "" && name == "records" {
				var skip json.RawMessage
				if err := d.Decode(&skip); err != nil {
					return node{}, err
				}
				continue
			}
		}
		child, err := value(d, name, left)
		if err != nil {
			return node{}, err
		}
		n.Children = append(n.Children, child)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return node{}, err
	}
	return n, nil
}
