package ingest

import (
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// The tables.
const (
	tableMessages = "messages"
	tableResults  = "results"
	tableOrders   = "orders"
	tableQueries  = "queries"
	tableFailures = "failures"
)

// tables are in the order in which they are filled.
func tables() []string {
	return []string{tableMessages, tableResults, tableOrders, tableQueries, tableFailures}
}

// row is one row of a table: nil, string, bool, int64, float64 or time.Time
// in the order of [columns].
type row []any

// columns are the columns of a table as its rows have them.
func columns(table string) []string {
	switch table {
	case tableMessages:
		return strings.Fields(`id message_id revision current sequence stored_at replay site instrument protocol kind type
			version control_id sender processing sent_at received_at raw_sequence digest body`)
	case tableResults:
		return strings.Fields(`message item revision current kind processing site instrument specimen instrument_specimen patient
			code code_system name aspect value value_type number comparator units range flags status supplementary
			observed_at observed_text received_at operator equipment comments raw_sequence`)
	case tableOrders:
		return strings.Fields(`message item revision current kind site instrument specimen instrument_specimen placer filler
			patient rack tests priority action status material role requested_at collected_at received_at comments raw_sequence`)
	case tableQueries:
		return strings.Fields(`message item revision current site instrument specimens specimen_to patient tests wants_all
			status tag name period_from period_until received_at raw_sequence`)
	case tableFailures:
		return strings.Fields(`id message_id sequence stored_at subject site instrument protocol reason error record field bytes
			received_at raw_sequence`)
	}
	panic("no such table: " + table)
}

// revision is what the database knows of one revision of a message.
type revision struct {
	row         int64 // messages.id
	number      int64
	current     bool // it is the newest
	sequence    int64
	storedAt    time.Time
	digest      string
	rawSequence int64 // of the first reception, as is receivedAt
	receivedAt  any   // time.Time or nil
}

func messageRow(d Delivery, v revision) row {
	m := d.Message
	var sender string
	if m.Sender != nil {
		sender = m.Sender.Name
	}
	return row{
		v.row, clean(m.ID), v.number, true, v.sequence, v.storedAt, text(d.get(subjects.HeaderReplay)),
		clean(m.Site), clean(m.Instrument), clean(m.Protocol), clean(m.Kind), text(m.Type),
		text(m.Version), text(m.ControlID), text(sender), text(m.Processing), instant(m.SentAt), v.receivedAt,
		v.rawSequence, v.digest, string(d.Body),
	}
}

func resultRows(m *codec.Message, v revision) []row {
	rows := make([]row, 0, len(m.Results))
	for n, r := range m.Results {
		var number any
		if r.Number != nil {
			number = *r.Number
		}
		rows = append(rows, row{
			v.row, int64(n + 1), v.number, true, clean(m.Kind), text(m.Processing), clean(m.Site), clean(m.Instrument),
			text(r.Specimen), text(r.InstrumentSpecimen), patient(m, r.Patient),
			text(r.Code), text(r.CodeSystem), text(r.Name), clean(r.Aspect), text(r.Value), text(r.ValueType),
			number, text(r.Comparator), text(r.Units), text(r.Range), list(r.Flags, ","), text(r.Status), r.Supplementary,
			instant(r.ObservedAt), text(r.ObservedAt), v.receivedAt, text(r.Operator), text(r.Equipment),
			list(r.Comments, "\n"), v.rawSequence,
		})
	}
	return rows
}

func orderRows(m *codec.Message, v revision) []row {
	rows := make([]row, 0, len(m.Orders))
	for n, o := range m.Orders {
		rows = append(rows, row{
			v.row, int64(n + 1), v.number, true, clean(m.Kind), clean(m.Site), clean(m.Instrument),
			text(o.Specimen), text(o.InstrumentSpecimen), text(o.Placer), text(o.Filler),
			patient(m, o.Patient), text(o.Position), list(o.Tests, ","), text(o.Priority), text(o.Action), text(o.Status),
			text(o.Material), text(o.Role), instant(o.RequestedAt), instant(o.CollectedAt), v.receivedAt,
			list(o.Comments, "\n"), v.rawSequence,
		})
	}
	return rows
}

func queryRows(m *codec.Message, v revision) []row {
	rows := make([]row, 0, len(m.Queries))
	for n, q := range m.Queries {
		rows = append(rows, row{
			v.row, int64(n + 1), v.number, true, clean(m.Site), clean(m.Instrument), list(q.Specimens, ","), text(q.To),
			text(q.Patient), list(q.Tests, ","), q.All, text(q.Status), text(q.Tag), text(q.Name),
			text(q.From), text(q.Until), v.receivedAt, v.rawSequence,
		})
	}
	return rows
}

func failureRow(d Delivery, f *bridge.Failure) row {
	return row{
		clean(f.ID), clean(strings.TrimSuffix(f.ID, "."+subjects.Token(f.Reason))), int64(d.Sequence), micro(d.StoredAt),
		clean(d.Subject), clean(f.Site), clean(f.Instrument), text(f.Protocol), clean(f.Reason), clean(f.Error),
		int64(f.Record), int64(f.Field), int64(f.Bytes), instant(f.ReceivedAt), int64(f.RawSequence),
	}
}

// patient is the id of the message's patient n, or nil.
func patient(m *codec.Message, n *int) any {
	if n == nil || *n < 0 || *n >= len(m.Patients) {
		return nil
	}
	return text(m.Patients[*n].ID)
}

// text is s, or nil when there is nothing.
func text(s string) any {
	if s == "" {
		return nil
	}
	return clean(s)
}

// clean is s without what a text column cannot hold: instruments pad with
// NUL, and PostgreSQL has no place for it.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

func list(words []string, separator string) any { return text(strings.Join(words, separator)) }

// instant is a point in time, or nil for a date, a month, a year and nothing:
// an hour is never guessed.
func instant(rfc3339 string) any {
	t, err := time.Parse(time.RFC3339Nano, rfc3339)
	if err != nil {
		return nil
	}
	return micro(t)
}

// micro is t as the databases keep it, so that what was read equals what was
// written.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
