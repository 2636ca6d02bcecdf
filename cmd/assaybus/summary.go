package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/assaybus/assaybus/codec"
)

// summarize writes a message for people: who, what, and its results as a
// table. It shows specimen ids and values, no patient.
func summarize(w io.Writer, file string, m *codec.Message) {
	fmt.Fprintf(w, "%s: %s\n", shown(file), headline(m))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, q := range m.Queries {
		ids := strings.Join(q.Specimens, ", ")
		if q.All {
			ids = "all specimens"
		}
		fmt.Fprintf(t, "  asks for\t%s\t%s\n", shown(ids), shown(strings.Join(q.Tests, ", ")))
	}
	if m.Kind == codec.KindOrder || len(m.Results) == 0 {
		for _, o := range m.Orders {
			fmt.Fprintf(t, "  orders\t%s\t%s\n", shown(either(o.Specimen, o.InstrumentSpecimen)), shown(strings.Join(o.Tests, ", ")))
		}
	}
	if len(m.Results) > 0 {
		fmt.Fprintln(t, "  specimen\tcode\tvalue\tunits\trange\tflags\tstatus")
	}
	for _, r := range m.Results {
		value := r.Value
		if r.Attachment != nil {
			value = fmt.Sprintf("<%s, %d bytes>", r.Attachment.Type, r.Attachment.Bytes)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", shown(either(r.Specimen, r.InstrumentSpecimen)), shown(either(r.Code, r.Name)),
			shown(value), shown(r.Units), shown(r.Range), shown(strings.Join(r.Flags, " ")), shown(r.Status))
	}
	t.Flush() // w is a buffer
	for _, warning := range m.Warnings {
		fmt.Fprintf(w, "  warning: %s%s: %s\n", warning.Code, place(warning.Record, warning.Field), codec.WarningHelp[warning.Code])
	}
}

// headline is a message in one line: its protocol, kind, sender and counts.
func headline(m *codec.Message) string {
	parts := []string{m.Protocol, m.Kind}
	if m.Type != "" {
		parts = append(parts, m.Type)
	}
	if m.Sender != nil && m.Sender.Name != "" {
		parts = append(parts, "from "+m.Sender.Name)
	}
	if m.SentAt != "" {
		parts = append(parts, "sent "+m.SentAt)
	}
	if len(m.Quirks) > 0 {
		parts = append(parts, "with "+strings.Join(m.Quirks, ", "))
	}
	return shown(strings.Join(parts, " ")) + ": " + counts(m)
}

// counts says how much a message holds, without what.
func counts(m *codec.Message) string {
	if slices.ContainsFunc(m.Warnings, func(w codec.Warning) bool { return w.Code == codec.WarnPart }) {
		return "a part of a longer message"
	}
	var parts []string
	for _, c := range []struct {
		n    int
		noun string
	}{
		{len(m.Results), "result"}, {len(m.Orders), "order"}, {len(m.Warnings), "warning"},
	} {
		if c.n > 0 {
			parts = append(parts, count(c.n, c.noun))
		}
	}
	if n := len(m.Queries); n > 0 {
		parts = append(parts, map[bool]string{true: "1 query", false: fmt.Sprintf("%d queries", n)}[n == 1])
	}
	if m.Ack != nil && m.Ack.Code != "" {
		parts = append(parts, "acknowledges "+shown(m.Ack.Code))
	}
	if len(parts) == 0 {
		return count(len(m.Records), "record")
	}
	return strings.Join(parts, ", ")
}

// summarizeProblem writes a problem for people.
func summarizeProblem(w io.Writer, p *problem) {
	where := shown(p.File)
	if p.Message > 0 {
		where += fmt.Sprintf(": message %d", p.Message)
	}
	fmt.Fprintf(w, "%s: %s: %s\n", where, p.Error, p.Reason)
}

func place(record, field int) string {
	switch {
	case record == 0:
		return ""
	case field == 0:
		return fmt.Sprintf(" in record %d", record)
	}
	return fmt.Sprintf(" in record %d field %d", record, field)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// shown is text from a message as a terminal may show it.
func shown(s string) string { return visible([]byte(s)) }
