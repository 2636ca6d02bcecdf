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

// newPlan decides what becomes of batch. known holds the newest revision of
// every message of the batch that the database has; it is brought up to date.
// next is the first messages.id that is free.
func newPlan(batch []Delivery, known map[string]revision, next int64) plan {
	p := plan{rows: map[string][]row{}}
	for _, d := range batch {
		if d.Failure != nil {
			p.put(tableFailures, failureRow(d, d.Failure))
			continue
		}
		id := clean(d.Message.ID)
		last, old := known[id]
		v, changed := follow(d, last, old)
		if !changed {
			continue
		}
		v.row = next
		next++
		if old {
			p.retired = append(p.retired, last.row)
		}
		if old || d.get(subjects.HeaderReplay) != "" || corrects(d.Message) {
			p.refresh = append(p.refresh, id)
		}
		known[id] = v
		p.add(d, v)
	}
	return p
}

// follow is the revision that d makes, after last when there is one; changed
// is false when d adds nothing: it came before, or the same bytes did.
func follow(d Delivery, last revision, old bool) (v revision, changed bool) {
	v = revision{
		number: 1, sequence: int64(d.Sequence), storedAt: micro(d.StoredAt),
		rawSequence: int64(d.Message.RawSequence), receivedAt: instant(d.Message.ReceivedAt),
	}
	// Sequences begin anew with a new bus, clocks may step: either says newer.
	if old && v.sequence <= last.sequence && !v.storedAt.After(last.storedAt) {
		return v, false
	}
	v.digest = d.Digest()
	if !old {
		return v, true
	}
	v.number = last.number + 1
	v.rawSequence, v.receivedAt = last.rawSequence, last.receivedAt
	return v, v.digest != last.digest
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
