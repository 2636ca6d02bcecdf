package codec

import "errors"

// errNotFinite is a number that JSON has no word for.
var errNotFinite = errors.New("a number that is not finite has no JSON")

// AppendJSON appends m as consumers read it, byte for byte what encoding/json
// makes of it with SetEscapeHTML(false), and without a line feed behind it. It
// fails only for a number that is infinite or not a number; b is then as long
// as before. Appended to nil, a usual message takes one allocation.
func (m *Message) AppendJSON(b []byte) ([]byte, error) {
	if !m.finite() {
		return b, errNotFinite
	}
	if b == nil {
		b = make([]byte, 0, m.sizeOfJSON())
	}
	b = append(b, '{')
	b = appendAlways(b, `"schema":`, m.Schema)
	b = appendMember(b, `"id":`, m.ID)
	b = appendMember(b, `"site":`, m.Site)
	b = appendMember(b, `"instrument":`, m.Instrument)
	b = appendAlways(b, `"protocol":`, m.Protocol)
	b = appendAlways(b, `"kind":`, m.Kind)
	b = appendMember(b, `"type":`, m.Type)
	b = appendMember(b, `"version":`, m.Version)
	b = appendMember(b, `"controlId":`, m.ControlID)
	b = appendMember(b, `"sentAt":`, m.SentAt)
	b = appendMember(b, `"receivedAt":`, m.ReceivedAt)
	b = appendSequence(b, `"rawSequence":`, m.RawSequence)
	b = m.Sender.appendJSON(b)
	b = appendMember(b, `"processing":`, m.Processing)
	b = appendMember(b, `"charset":`, m.Charset)
	b = appendMember(b, `"batch":`, m.Batch)
	b = appendMember(b, `"continues":`, m.Continues)
	b = appendMember(b, `"pointer":`, m.Pointer)
	b = appendObjects(b, `"parts":`, m.Parts, appendPart)
	b = appendMember(b, `"termination":`, m.Termination)
	b = m.Ack.appendJSON(b)
	b = appendObjects(b, `"patients":`, m.Patients, (*Patient).appendJSON)
	b = appendObjects(b, `"orders":`, m.Orders, (*Order).appendJSON)
	b = appendObjects(b, `"results":`, m.Results, (*Result).appendJSON)
	b = appendObjects(b, `"queries":`, m.Queries, (*Query).appendJSON)
	b = appendObjects(b, `"comments":`, m.Comments, (*Comment).appendJSON)
	b = appendObjects(b, `"records":`, m.Records, appendRecord)
	b = appendObjects(b, `"warnings":`, m.Warnings, (*Warning).appendJSON)
	b = appendTexts(b, `"quirks":`, m.Quirks)
	return append(b, '}'), nil
}

func (s *Sender) appendJSON(b []byte) []byte {
	if s == nil {
		return b
	}
	b = append(appendKey(b, `"sender":`), '{')
	b = appendMember(b, `"name":`, s.Name)
	b = appendMember(b, `"facility":`, s.Facility)
	b = appendMember(b, `"serial":`, s.Serial)
	b = appendMember(b, `"software":`, s.Software)
	return append(b, '}')
}

func (a *Ack) appendJSON(b []byte) []byte {
	if a == nil {
		return b
	}
	b = append(appendKey(b, `"ack":`), '{')
	b = appendMember(b, `"code":`, a.Code)
	b = appendMember(b, `"controlId":`, a.ControlID)
	b = appendMember(b, `"text":`, a.Text)
	b = appendMember(b, `"query":`, a.Query)
	return append(b, '}')
}

func (p *Patient) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendMember(b, `"id":`, p.ID)
	b = appendTexts(b, `"ids":`, p.IDs)
	b = p.Name.appendJSON(b)
	b = appendMember(b, `"birthDate":`, p.BirthDate)
	b = appendMember(b, `"sex":`, p.Sex)
	b = appendTexts(b, `"comments":`, p.Comments)
	b = appendInt(b, `"record":`, p.Record)
	return append(b, '}')
}

func (n *Name) appendJSON(b []byte) []byte {
	if n == nil {
		return b
	}
	b = append(appendKey(b, `"name":`), '{')
	b = appendMember(b, `"family":`, n.Family)
	b = appendMember(b, `"given":`, n.Given)
	b = appendMember(b, `"middle":`, n.Middle)
	return append(b, '}')
}

func (o *Order) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendMember(b, `"specimen":`, o.Specimen)
	b = appendTexts(b, `"specimens":`, o.Specimens)
	b = appendMember(b, `"instrumentSpecimen":`, o.InstrumentSpecimen)
	b = appendMember(b, `"placer":`, o.Placer)
	b = appendMember(b, `"filler":`, o.Filler)
	b = appendMember(b, `"container":`, o.Container)
	b = appendMember(b, `"rack":`, o.Rack)
	b = appendMember(b, `"position":`, o.Position)
	b = appendTexts(b, `"tests":`, o.Tests)
	b = appendMember(b, `"priority":`, o.Priority)
	b = appendMember(b, `"action":`, o.Action)
	b = appendMember(b, `"status":`, o.Status)
	b = appendMember(b, `"material":`, o.Material)
	b = appendMember(b, `"role":`, o.Role)
	b = appendMember(b, `"requestedAt":`, o.RequestedAt)
	b = appendMember(b, `"collectedAt":`, o.CollectedAt)
	b = appendMember(b, `"receivedAt":`, o.ReceivedAt)
	b = appendTexts(b, `"comments":`, o.Comments)
	b = appendIndex(b, `"patient":`, o.Patient)
	b = appendInt(b, `"record":`, o.Record)
	return append(b, '}')
}

func (r *Result) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendMember(b, `"specimen":`, r.Specimen)
	b = appendMember(b, `"instrumentSpecimen":`, r.InstrumentSpecimen)
	b = appendMember(b, `"code":`, r.Code)
	b = appendMember(b, `"codeSystem":`, r.CodeSystem)
	b = appendMember(b, `"name":`, r.Name)
	b = appendMember(b, `"aspect":`, r.Aspect)
	b = appendMember(b, `"value":`, r.Value)
	b = appendMember(b, `"valueType":`, r.ValueType)
	if r.Number != nil {
		b = appendFloat(appendKey(b, `"number":`), *r.Number)
	}
	b = appendMember(b, `"comparator":`, r.Comparator)
	b = appendMember(b, `"units":`, r.Units)
	b = appendMember(b, `"range":`, r.Range)
	b = appendTexts(b, `"flags":`, r.Flags)
	b = appendMember(b, `"status":`, r.Status)
	b = appendTrue(b, `"retransmitted":`, r.Retransmitted)
	b = appendTrue(b, `"questionable":`, r.Questionable)
	b = appendTrue(b, `"supplementary":`, r.Supplementary)
	b = appendTrue(b, `"deleted":`, r.Deleted)
	b = appendTexts(b, `"warnings":`, r.Warnings)
	b = appendMember(b, `"lot":`, r.Lot)
	b = appendMember(b, `"observedAt":`, r.ObservedAt)
	b = appendMember(b, `"operator":`, r.Operator)
	b = appendMember(b, `"equipment":`, r.Equipment)
	b = appendTexts(b, `"comments":`, r.Comments)
	b = r.Attachment.appendJSON(b)
	b = appendIndex(b, `"patient":`, r.Patient)
	b = appendIndex(b, `"order":`, r.Order)
	b = appendInt(b, `"record":`, r.Record)
	return append(b, '}')
}

func (a *Attachment) appendJSON(b []byte) []byte {
	if a == nil {
		return b
	}
	b = append(appendKey(b, `"attachment":`), '{')
	b = appendAlways(b, `"type":`, a.Type)
	b = appendAlways(b, `"encoding":`, a.Encoding)
	b = appendInt(b, `"bytes":`, a.Bytes)
	return append(b, '}')
}

func (q *Query) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendTexts(b, `"specimens":`, q.Specimens)
	b = appendMember(b, `"rack":`, q.Rack)
	b = appendMember(b, `"position":`, q.Position)
	b = appendMember(b, `"to":`, q.To)
	b = appendMember(b, `"patient":`, q.Patient)
	b = appendTexts(b, `"tests":`, q.Tests)
	b = appendBool(b, `"all":`, q.All)
	b = appendMember(b, `"status":`, q.Status)
	b = appendMember(b, `"tag":`, q.Tag)
	b = appendMember(b, `"name":`, q.Name)
	b = appendMember(b, `"from":`, q.From)
	b = appendMember(b, `"until":`, q.Until)
	b = appendInt(b, `"record":`, q.Record)
	return append(b, '}')
}

func (c *Comment) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendAlways(b, `"text":`, c.Text)
	b = appendMember(b, `"source":`, c.Source)
	b = appendInt(b, `"record":`, c.Record)
	return append(b, '}')
}

func (w *Warning) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if w.Record != 0 {
		b = appendInt(b, `"record":`, w.Record)
	}
	if w.Field != 0 {
		b = appendInt(b, `"field":`, w.Field)
	}
	b = appendAlways(b, `"code":`, w.Code)
	return append(b, '}')
}

// What the JSON takes besides texts of any length, in bytes: keys, numbers,
// quotes and commas of what is usually there, rather too many.
const (
	sizeOfMessage = 560
	sizeOfEntry   = 170 // of a patient, an order, a query, a comment
	sizeOfResult  = 235
	sizeOfText    = len(`"",`)
)

// sizeOfJSON guesses the size of the JSON, mostly a little too large: escapes
// are not counted.
func (m *Message) sizeOfJSON() int {
	size := sizeOfMessage + sizeOfTexts(m.Quirks)
	for i := range m.Patients {
		p := &m.Patients[i]
		size += sizeOfEntry + sizeOfTexts(p.IDs) + sizeOfTexts(p.Comments)
	}
	for i := range m.Orders {
		o := &m.Orders[i]
		size += sizeOfEntry + len(o.Specimen) + len(o.InstrumentSpecimen) +
			sizeOfTexts(o.Specimens) + sizeOfTexts(o.Tests) + sizeOfTexts(o.Comments)
	}
	for i := range m.Results {
		r := &m.Results[i]
		size += sizeOfResult + len(r.Specimen) + len(r.InstrumentSpecimen) + len(r.Code) + len(r.CodeSystem) + len(r.Name) + len(r.Aspect) +
			len(r.Value) + len(r.Units) + len(r.Range) + len(r.ObservedAt) + len(r.Operator) + len(r.Equipment) +
			sizeOfTexts(r.Flags) + sizeOfTexts(r.Comments)
	}
	for i := range m.Queries {
		size += sizeOfEntry + sizeOfTexts(m.Queries[i].Specimens) + sizeOfTexts(m.Queries[i].Tests)
	}
	for i := range m.Comments {
		size += sizeOfEntry + len(m.Comments[i].Text)
	}
	for _, record := range m.Records {
		size += sizeOfTexts(record)
	}
	return size + len(m.Warnings)*len(`{"record":1000,"field":10,"code":"ambiguous-number"},`)
}

func sizeOfTexts(list []string) int {
	size := len(`[],`) + sizeOfText*len(list)
	for _, text := range list {
		size += len(text)
	}
	return size
}
