package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// showFlags are the flags of show.
type showFlags struct {
	bus  busFlag
	json bool
}

func newShow() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show SEQUENCE|ID",
		Short: "Show one message: as sent, and all that was derived from it",
		Long: `Show prints one message: the headers and the bytes that the instrument sent,
control characters made visible, how it was framed on the link (where each frame
began and ended, its checksum, what was refused or repeated), and every revision of what was derived from it:
the decoded message, or where and why it failed. It shows patient data.

The message is named by its raw sequence or by any message id: of the raw, the
parsed or the failed message, as in Nats-Msg-Id or the field id. --json prints
one object with raw and published, each as tail --json prints it.

` + busHelp,
		Example: "  assaybus show 42\n  assaybus show main.xn1000.2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON object; raw bytes in base64")
	f.bus.add(cmd.Flags())
	return cmd
}

func (f *showFlags) run(cmd *cobra.Command, name string) error {
	_, nc, err := f.bus.open("assaybus show")
	if err != nil {
		return err
	}
	defer nc.Close()
	archive, err := broker.NewArchive(nc)
	if err != nil {
		return err
	}
	l := lookup{archive: archive}
	found, err := l.find(cmd.Context(), name)
	if err != nil {
		return err
	}
	if f.json {
		return found.writeJSON(cmd.OutOrStdout())
	}
	return found.write(cmd.OutOrStdout())
}

// exhibit is one message: as received, and what was derived from it.
type exhibit struct {
	raw       *event // nil when it was removed by age, or never kept
	published []event
	others    []uint64 // raw sequences of byte-identical receptions
}

// lookup finds messages in the streams.
type lookup struct{ archive *broker.Archive }

// find takes a raw sequence or a message id.
func (l lookup) find(ctx context.Context, name string) (exhibit, error) {
	if sequence, err := strconv.ParseUint(name, 10, 64); err == nil {
		return l.bySequence(ctx, sequence)
	}
	return l.byID(ctx, name)
}

func (l lookup) bySequence(ctx context.Context, sequence uint64) (exhibit, error) {
	var x exhibit
	raw, err := l.archive.Get(ctx, subjects.StreamRaw, sequence)
	switch {
	case err == nil:
		e := eventOf(raw)
		x.raw = &e
	case !errors.Is(err, bridge.ErrNotStored):
		return x, err
	}
	ids := map[string]bool{}
	if x.raw != nil {
		r := bridge.ReceptionOf(raw.Get)
		ids[subjects.ParsedID(r.Site, r.Instrument, r.Digest)] = r.Incomplete == ""
	}
	if err := l.derived(ctx, &x, sequence, ids); err != nil {
		return x, err
	}
	if x.raw == nil && len(x.published) == 0 {
		span, err := l.archive.Span(ctx, subjects.StreamRaw)
		if err != nil {
			return x, err
		}
		return x, fmt.Errorf("raw %d: %w; LAB_RAW holds %d to %d: assaybus tail --raw --since 1h lists the latest", sequence, bridge.ErrNotStored, span.First, span.Last)
	}
	return x, nil
}

// byID looks through the headers: every id of a message holds its digest.
func (l lookup) byID(ctx context.Context, id string) (exhibit, error) {
	var x exhibit
	span, err := l.archive.Span(ctx, subjects.StreamRaw)
	if err != nil {
		return x, err
	}
	part := strings.Split(id, ".")
	digest := slices.IndexFunc(part, func(s string) bool { return len(s) == 64 })
	if digest < 0 {
		return x, fmt.Errorf("%s is neither a raw sequence nor a message id: assaybus tail --json shows both", shown(id))
	}
	var first uint64
	for m, err := range l.archive.Scan(ctx, bridge.Query{Stream: subjects.StreamRaw, To: span.Last, HeadersOnly: true}) {
		if err != nil {
			return x, err
		}
		r := bridge.ReceptionOf(m.Get)
		base := subjects.ParsedID(r.Site, r.Instrument, r.Digest)
		if r.Digest != part[digest] || !under(id, base) && !under(id, m.Get(subjects.HeaderMsgID)) {
			continue
		}
		if first == 0 {
			first = m.Sequence
		} else {
			x.others = append(x.others, m.Sequence)
		}
	}
	if first == 0 {
		if err := l.derived(ctx, &x, 0, map[string]bool{id: true}); err != nil {
			return x, err
		}
		if raw := x.rawSequence(); raw > 0 { // its id is of several raw messages as one
			return l.bySequence(ctx, raw)
		}
		if len(x.published) == 0 {
			return x, fmt.Errorf("this id: %w; assaybus tail --json --since 1h shows the latest", bridge.ErrNotStored)
		}
		return x, nil
	}
	others := x.others
	x, err = l.bySequence(ctx, first)
	x.others = others
	return x, err
}

// rawSequence is the raw message that what was published was derived from; 0
// when it says none.
func (x exhibit) rawSequence() uint64 {
	for _, e := range x.published {
		if raw, err := strconv.ParseUint(e.header.Get(subjects.HeaderRawSequence), 10, 64); err == nil {
			return raw
		}
	}
	return 0
}

// under reports whether id is base or derived from it: a failure, a revision.
func under(id, base string) bool { return id == base || strings.HasPrefix(id, base+".") }

// derived reads what LAB_PARSED has of a raw sequence or under one of the ids.
func (l lookup) derived(ctx context.Context, x *exhibit, sequence uint64, ids map[string]bool) error {
	span, err := l.archive.Span(ctx, subjects.StreamParsed)
	if err != nil {
		return err
	}
	q := bridge.Query{Stream: subjects.StreamParsed, To: span.Last, HeadersOnly: true}
	if x.raw != nil {
		q.Since = x.raw.stored.Add(-earlier)
	}
	for m, err := range l.archive.Scan(ctx, q) {
		if err != nil {
			return err
		}
		id := m.Get(subjects.HeaderMsgID)
		own := sequence > 0 && (m.Get(subjects.HeaderRawSequence) == strconv.FormatUint(sequence, 10) || joinedFrom(m, sequence))
		if !own && !ids[id] && !ids[subjects.BaseID(id, m.Subject, m.Get(subjects.HeaderReplay))] {
			continue
		}
		whole, err := l.archive.Get(ctx, subjects.StreamParsed, m.Sequence)
		if errors.Is(err, bridge.ErrNotStored) {
			continue // removed by age since
		}
		if err != nil {
			return err
		}
		x.published = append(x.published, eventOf(whole))
	}
	return nil
}

// joinedFrom tells whether m is what a raw message became as a part of a
// longer one: the message that it was joined to, or the alarm that its rest
// did not come.
func joinedFrom(m bridge.Stored, sequence uint64) bool {
	r := bridge.ReceptionOf(m.Get)
	return !r.More && slices.Contains(r.Parts, sequence)
}

// writeJSON is the exhibit as one object.
func (x exhibit) writeJSON(w io.Writer) error {
	object := struct {
		Raw       json.RawMessage   `json:"raw,omitempty"`
		DigestOK  *bool             `json:"digestMatches,omitempty"`
		Others    []uint64          `json:"alsoReceivedAs,omitempty"`
		Published []json.RawMessage `json:"published"`
	}{Others: x.others, Published: []json.RawMessage{}}
	if x.raw != nil {
		raw, err := eventJSON(*x.raw)
		if err != nil {
			return err
		}
		ok := x.intact()
		object.Raw, object.DigestOK = raw, &ok
	}
	for _, e := range x.published {
		one, err := eventJSON(e)
		if err != nil {
			return err
		}
		object.Published = append(object.Published, one)
	}
	return encode(w, object)
}
