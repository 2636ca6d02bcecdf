package web_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// tableText is the text of a table: cells apart by |, rows by lines.
func tableText(t *testing.T, body, id string) string {
	t.Helper()
	_, body, found := strings.Cut(body, `<table id="`+id+`">`)
	body, _, _ = strings.Cut(body, "</tbody>")
	_, body, _ = strings.Cut(body, "<tbody>")
	if !found {
		t.Fatalf("no table %s", id)
	}
	body = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(body), "\n", ""), "</tr>", "\n")
	body = strings.ReplaceAll(body, "</td><td", "</td>|<td")
	body = regexp.MustCompile(`<span class="(frame|control[^"]*)"[^>]*>([^<]*)</span>`).ReplaceAllString(body, "‹$2›")
	return strings.TrimSpace(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, "")))
}

func TestFramesOfAMessage(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ name, raw, list, frames, marked string }{
		{"records", "H|\\^&\rP|1\rL|1\r", "1:6X 2:4X*2",
			"1|1|STX … ETX|6|0–5|right|–\n2–3|2 … 3|STX … ETX|2 × 4|6–13|right|–",
			"0|1|H|‹STX 1›H|\\^&‹CR›‹ETX›\n6|2|P|‹STX 2›P|1‹CR›‹ETX›\n10|3|L|‹STX 3›L|1‹CR›‹ETX›"},
		{"cut anywhere, refused, repeated", "H|\\^&\rP|1\rL|1\r", "1:8Br2 2:6Xn3",
			"1|1|STX … ETB|8|0–7|right|sent again 2 times after it was accepted: our ACK was lost\n2|2|STX … ETX|6|8–13|right|refused with NAK 3 times before it was accepted",
			"0|1|H|‹STX 1›H|\\^&‹CR›\n6|2|P|P|‹ETB›‹STX 2›1‹CR›\n10|3|L|L|1‹CR›‹ETX›"},
		{"a CR that was added", "H|\\^&\rL|1\r", "1:5Xuc 2:4Xu",
			"1|1|STX … ETX|5|0–5|not looked at (quirk no-checksum)|no CR at the end of its record: the bridge added one\n2|2|STX … ETX|4|6–9|not looked at (quirk no-checksum)|–",
			"0|1|H|‹STX 1›H|\\^&‹ETX›‹CR›\n6|2|L|‹STX 2›L|1‹CR›‹ETX›"},
		{"an empty frame", "H|\\^&\rL|1\r", "1:6X 2:0X 3:4X",
			"1|1|STX … ETX|6|0–5|right|–\n2|2|STX … ETX|0|–|right|–\n3|3|STX … ETX|4|6–9|right|–",
			"0|1|H|‹STX 1›H|\\^&‹CR›‹ETX›\n6|2|L|‹STX 2›‹ETX›‹STX 3›L|1‹CR›‹ETX›"},
		{"without framing", "H|\\^&\rL|1\r", "10U", "1|–|none|10|0–9|–|came without any framing", "0|1|H|H|\\^&‹CR›\n6|2|L|L|1‹CR›"},
		{"a block", "MSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5\r", "40V", "1|–|VT … FS CR|40|0–39|–|–", "0|1|MSH|‹VT›MSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5‹CR›‹FS CR›"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body, _ := l.ask(http.MethodPost, fmt.Sprintf("/messages/%d", l.keepFramed("xn1000", c.raw, "", c.list)))
			if code != http.StatusOK {
				t.Fatalf("answers %d", code)
			}
			if got := tableText(t, body, "frames"); got != c.frames {
				t.Errorf("frames\n%s\nwant\n%s", got, c.frames)
			}
			if got := tableText(t, body, "raw"); got != c.marked {
				t.Errorf("raw\n%s\nwant\n%s", got, c.marked)
			}
		})
	}
}

// What is not known of the frames is said, and the raw message stands as ever.
func TestFramesThatAreNotKnown(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ name, list, want string }{
		{"stored before", "", "not noted: it was stored before"},
		{"not a list", "1:6X junk", "cannot be read"},
		{"of another message", "1:6X", "The frames that the link noted hold 6 bytes, the message has 10."},
		{"more than noted", "1:6X +3:4", "And 3 more frames that were not noted one by one."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, body, _ := l.ask(http.MethodPost, fmt.Sprintf("/messages/%d", l.keepFramed("xn1000", "H|\\^&\rL|1\r", "", c.list)))
			if !strings.Contains(body, c.want) {
				t.Errorf("no %q in the page", c.want)
			}
			if got := tableText(t, body, "raw"); !strings.HasSuffix(got, "L|1‹CR›") {
				t.Errorf("raw\n%s", got)
			}
		})
	}
}
