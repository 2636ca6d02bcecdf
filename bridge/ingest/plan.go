package ingest

import (
	"maps"
	"slices"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// statusCorrected is a result that replaces one reported before (LIS02-A2
// §9.9; HL7 table 0085).
const statusCorrected = "C"

// plan is what a batch changes in a database, decided before anything is
// written.
type plan struct {
	rows    map[string][]row // by table
	retired []int64          // messages.id of the revisions that are no longer the newest
	refresh []string         // message ids whose results may correct, or be corrected, anew
}

// ids are the message ids of the batch, each once.
func ids(batch []Delivery) []string {
	seen := map[string]bool{}
	for _, d := range batch {
		if d.Message != nil {
			seen[clean(d.Message.ID)] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// newPlan decides what becomes of batch. known holds the revisions of every
// message of the batch that the database has; it is brought up to date. next
// is the first messages.id that is free.
func newPlan(batch []Delivery, known map[string][]revision, next int64) plan {
	p := plan{rows: map[string][]row{}}
	for _, d := range batch {
		if d.Failure != nil {
			p.put(tableFailures, failureRow(d, d.Failure))
			continue
		}
		id := clean(d.Message.ID)
		older := known[id]
		v, changed := follow(d, older)
		if !changed {
			continue
		}
		v.row = next
		next++
		if !v.current {
			p.retired = append(p.retired, v.row)
		} else if n := newest(older); n != nil {
			p.retired = append(p.retired, n.row)
			n.current = false
		}
		if len(older) > 0 || d.get(subjects.HeaderReplay) != "" || corrects(d.Message) {
			p.refresh = append(p.refresh, id)
		}
		known[id] = append(older, v)
		p.add(d, v)
	}
	return p
}

// newest is the revision in force; nil when there is none.
func newest(all []revision) *revision {
	for n := range all {
		if all[n].current {
			return &all[n]
		}
	}
	return nil
}

// follow is the revision that d makes beside the older ones; changed is false
// when it makes none: it came before, or the same bytes did.
func follow(d Delivery, older []revision) (v revision, changed bool) {
	v = revision{
		number: int64(len(older) + 1), current: true, sequence: int64(d.Sequence), storedAt: micro(d.StoredAt), digest: d.Digest(),
		rawSequence: int64(d.Message.RawSequence), receivedAt: instant(d.Message.ReceivedAt),
	}
	n := newest(older)
	if n == nil {
		return v, true
	}
	v.rawSequence, v.receivedAt = n.rawSequence, n.receivedAt
	// Sequences begin anew with a new bus, clocks may be set back: either says newer.
	v.current = v.sequence > n.sequence || v.storedAt.After(n.storedAt)
	if v.current {
		return v, v.digest != n.digest
	}
	return v, !slices.ContainsFunc(older, func(o revision) bool { return o.digest == v.digest })
}

// corrects reports whether the message holds a corrected result.
func corrects(m *codec.Message) bool {
	return slices.ContainsFunc(m.Results, func(r codec.Result) bool { return r.Status == statusCorrected })
}

func (p *plan) put(table string, rows ...row) { p.rows[table] = append(p.rows[table], rows...) }

func (p *plan) add(d Delivery, v revision) {
	p.put(tableMessages, messageRow(d, v))
	p.put(tableResults, resultRows(d.Message, v)...)
	p.put(tableOrders, orderRows(d.Message, v)...)
	p.put(tableQueries, queryRows(d.Message, v)...)
}
