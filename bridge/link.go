package bridge

import (
	"encoding/json"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// LinkPublisher takes link events. It never blocks and never fails a message:
// what it cannot publish is dropped.
type LinkPublisher interface {
	PublishLink(subject string, header map[string]string, body []byte)
}

// LinkSchema names the form of a [LinkEvent].
const LinkSchema = "assaybus.link/1"

// LinkEvent is the payload of lab.link.
type LinkEvent struct {
	Schema     string    `json:"schema"`
	Site       string    `json:"site"`
	Instrument string    `json:"instrument"`      // "" for a caller that belongs to none
	Event      string    `json:"event"`           // the last token of the subject
	Phase      string    `json:"phase,omitempty"` // of a transmission: started, ended
	At         time.Time `json:"at"`
	Session    string    `json:"session,omitempty"`
	Peer       string    `json:"peer,omitempty"`
	Protocol   string    `json:"protocol,omitempty"` // what the conversation was found to speak
	Reason     string    `json:"reason,omitempty"`
	Messages   int       `json:"messages,omitempty"` // of the session so far
	Address    string    `json:"address,omitempty"`  // where we listen
	Skipped    int       `json:"skipped,omitempty"`  // transmissions of the instrument before this one that were not announced
}

// Transmissions of one instrument that are announced: more of them than a
// person can follow would only drive what matters out of the stream. All are
// counted.
const (
	announcedPerWindow = 20
	announceWindow     = time.Second
)

// window counts the transmissions of an instrument that were announced and
// those that were not.
type window struct {
	began   time.Time
	n       int
	skipped int
}

// admit tells whether the next one is announced, and how many before it were
// not.
func (w *window) admit(now time.Time) (skipped int, ok bool) {
	if now.Sub(w.began) >= announceWindow {
		w.began, w.n = now, 0
	}
	if w.n >= announcedPerWindow {
		w.skipped++
		return 0, false
	}
	w.n++
	skipped, w.skipped = w.skipped, 0
	return skipped, true
}

// announce publishes e; a nil publisher takes nothing.
func announce(p LinkPublisher, e LinkEvent) {
	if p == nil {
		return
	}
	e.Schema, e.At = LinkSchema, time.Now().UTC()
	body, err := json.Marshal(e)
	if err != nil {
		return // a LinkEvent always encodes
	}
	p.PublishLink(subjects.Link(e.Site, e.Instrument, e.Event), map[string]string{
		subjects.HeaderCESpecVersion: "1.0",
		subjects.HeaderCEID:          newSession(),
		subjects.HeaderCESource:      "/assaybus/" + subjects.Token(e.Site) + "/" + subjects.Token(e.Instrument),
		subjects.HeaderCEType:        "assaybus.link." + e.Event,
		subjects.HeaderCETime:        e.At.Format(time.RFC3339Nano),
		subjects.HeaderCEContentType: "application/json",
		subjects.HeaderInstrument:    headerValue(e.Instrument),
	}, body)
}
