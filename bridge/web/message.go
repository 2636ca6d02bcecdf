package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
)

// messagePage is one message: what is known of it and, when the viewer asked,
// what it says.
type messagePage struct {
	base
	Entry    Entry
	Failure  *bridge.Failure // why it is not parsed; holds no content
	Step     string
	Shown    bool
	Message  *codec.Message
	Tree     []node
	Raw      rawView
	Frames   framesView
	RawGone  string // why raw is not there
	Warnings []warned
}

// warned is a warning with what it means.
type warned struct {
	codec.Warning
	Help string
}

// open finds the message of the address; nil when the answer is written.
func (s *site) open(w http.ResponseWriter, r *http.Request) *messagePage {
	sequence, err := strconv.ParseUint(r.PathValue("sequence"), 10, 64)
	if err != nil || sequence == 0 {
		s.readFault(w, ErrGone)
		return nil
	}
	e, err := s.Archive.Entry(r.Context(), sequence)
	if err != nil {
		s.readFault(w, err)
		return nil
	}
	p := &messagePage{base: s.base(s.Snapshot(), fmt.Sprintf("Message %d", sequence), "overview"), Entry: e}
	if e.Failed() {
		p.Failure, err = e.failure()
		if err != nil {
			s.readFault(w, err)
			return nil
		}
		p.Step = remedy(*p.Failure, e.Reception)
	}
	return p
}

// message shows what is known of a message but not what it says.
func (s *site) message(w http.ResponseWriter, r *http.Request) {
	if p := s.open(w, r); p != nil {
		s.page(w, http.StatusOK, "message", p)
	}
}

// content shows what a message says, to a viewer who asked and was written
// down.
func (s *site) content(w http.ResponseWriter, r *http.Request) {
	p := s.open(w, r)
	if p == nil || !s.audited(w, r, "show", p.Entry) {
		return
	}
	if err := p.load(r.Context(), s.Archive); err != nil {
		s.readFault(w, err)
		return
	}
	s.page(w, http.StatusOK, "message", p)
}

// load reads what the message says.
func (p *messagePage) load(ctx context.Context, a *Archive) error {
	p.Shown = true
	raw, err := a.RawMessage(ctx, p.Entry)
	switch {
	case errors.Is(err, ErrGone):
		p.RawGone = "The raw message is not there: nothing of it was kept, or its age has removed it."
	case err != nil:
		return err
	default:
		p.Frames = viewFrames(raw.Reception.Frames, len(raw.Body))
		p.Raw = viewRaw(raw.Body, p.Frames)
	}
	if p.Failure != nil {
		return nil
	}
	if p.Message, err = p.Entry.Message(); err != nil {
		return err
	}
	for _, w := range p.Message.Warnings {
		p.Warnings = append(p.Warnings, warned{w, codec.WarningHelp[w.Code]})
	}
	p.Tree, err = tree(p.Entry.Body)
	return err
}

// download sends the raw message as a file.
func (s *site) download(w http.ResponseWriter, r *http.Request) {
	p := s.open(w, r)
	if p == nil {
		return
	}
	raw, err := s.Archive.RawMessage(r.Context(), p.Entry)
	if err != nil {
		s.readFault(w, err)
		return
	}
	if !s.audited(w, r, "download", p.Entry) {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="raw-%d.bin"`, p.Entry.Raw))
	_, _ = w.Write(raw.Body) // the peer may be gone
}

// audited writes the view down; without that nothing is shown.
func (s *site) audited(w http.ResponseWriter, r *http.Request, action string, e Entry) bool {
	v := View{At: time.Now().UTC(), Viewer: viewer(r), Action: action, Instrument: e.Reception.Instrument, Sequence: e.Sequence, Raw: e.Raw}
	if err := s.Audit.Write(v); err != nil {
		s.Log.Error("content not shown: the view could not be written down", "error", err)
		s.fault(w, http.StatusServiceUnavailable, "The content is not shown", "Every view is written to the audit log, and that did not work; the log says why.")
		return false
	}
	s.Log.Info("content of a message shown", "viewer", v.Viewer, "action", action, "instrument", v.Instrument, "sequence", v.Sequence)
	return true
}
