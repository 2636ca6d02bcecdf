package codec

// Schema names the form of a [Message]. Adding a field keeps it; anything
// else is a new number.
const Schema = "assaybus.message/1"

// The kinds of a message: the last token of its subject.
const (
	KindResult = "result"
	KindQuery  = "query"
	KindOrder  = "order"
	KindQC     = "qc"
	KindAck    = "ack"
	KindOther  = "other"
)

// Message is one decoded message as consumers read it. Fields without a value
// are left out. Strings are valid UTF-8. Indexes (Patient, Order) point into
// the slices of the same message; Record is the 1-based index into Records.
type Message struct {
	Schema      string     `json:"schema"`
	ID          string     `json:"id,omitempty"`
	Site        string     `json:"site,omitempty"`
	Instrument  string     `json:"instrument,omitempty"`
	Protocol    string     `json:"protocol"`
	Kind        string     `json:"kind"`
	Type        string     `json:"type,omitempty"`       // MSH-9; ASTM: H.11 where it is a function of the Roche family (RSUPL^REAL)
	Version     string     `json:"version,omitempty"`    // MSH-12, H.13
	ControlID   string     `json:"controlId,omitempty"`  // MSH-10, H.3
	SentAt      string     `json:"sentAt,omitempty"`     // MSH-7, H.14: RFC 3339, or a date
	ReceivedAt  string     `json:"receivedAt,omitempty"` // RFC 3339, ours
	RawSequence uint64     `json:"rawSequence,omitempty"`
	Sender      *Sender    `json:"sender,omitempty"`
	Processing  string     `json:"processing,omitempty"`  // production, training, debugging, qc
	Charset     string     `json:"charset,omitempty"`     // IANA name of what the bytes were decoded with
	Batch       string     `json:"batch,omitempty"`       // BHS-11, else FHS-11, of the envelope: every message of it
	Continues   string     `json:"continues,omitempty"`   // MSH-14: the pointer of the part before; a joined message has none
	Pointer     string     `json:"pointer,omitempty"`     // DSC-1: the pointer of the part behind
	Parts       []uint64   `json:"parts,omitempty"`       // raw sequences of the parts it was joined from, its own last
	Termination string     `json:"termination,omitempty"` // ASTM L.3
	Ack         *Ack       `json:"ack,omitempty"`
	Patients    []Patient  `json:"patients,omitempty"`
	Orders      []Order    `json:"orders,omitempty"`
	Results     []Result   `json:"results,omitempty"`
	Queries     []Query    `json:"queries,omitempty"`
	Comments    []Comment  `json:"comments,omitempty"` // those of no patient, no order and no result
	Records     [][]string `json:"records,omitempty"`  // every record, every field, escapes as sent; HL7: [n] is field n; ASTM: [n-1] is field n
	Warnings    []Warning  `json:"warnings,omitempty"`
	Quirks      []string   `json:"quirks,omitempty"`
}

// Sender is who the message says it comes from (MSH-3, MSH-4; H.5).
type Sender struct {
	Name     string `json:"name,omitempty"`
	Facility string `json:"facility,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Software string `json:"software,omitempty"`
}

// Ack is what an acknowledgement or a query response says (MSA, QAK).
type Ack struct {
	Code      string `json:"code,omitempty"`      // MSA-1
	ControlID string `json:"controlId,omitempty"` // MSA-2
	Text      string `json:"text,omitempty"`      // MSA-3
	Query     string `json:"query,omitempty"`     // QAK-2
}

// Patient is a P record or a PID segment.
type Patient struct {
	ID        string   `json:"id,omitempty"`  // the first of IDs
	IDs       []string `json:"ids,omitempty"` // every id that is there, in the order of the fields; HL7: PID-3, PID-2, PID-4
	Name      *Name    `json:"name,omitempty"`
	BirthDate string   `json:"birthDate,omitempty"`
	Sex       string   `json:"sex,omitempty"`
	Comments  []string `json:"comments,omitempty"`
	Record    int      `json:"record"`
}

// Name is a person's name.
type Name struct {
	Family string `json:"family,omitempty"`
	Given  string `json:"given,omitempty"`
	Middle string `json:"middle,omitempty"`
}

// Order is an O record, or an SPM/SAC/ORC/OBR group: what was asked of which
// specimen.
type Order struct {
	Specimen           string   `json:"specimen,omitempty"`
	Specimens          []string `json:"specimens,omitempty"` // only when there are several
	InstrumentSpecimen string   `json:"instrumentSpecimen,omitempty"`
	Placer             string   `json:"placer,omitempty"`    // OBR-2, ORC-2
	Filler             string   `json:"filler,omitempty"`    // OBR-3, ORC-3
	Container          string   `json:"container,omitempty"` // SAC-3
	Rack               string   `json:"rack,omitempty"`      // of Position
	Position           string   `json:"position,omitempty"`  // rack^place, or the one that is there
	Tests              []string `json:"tests,omitempty"`
	Priority           string   `json:"priority,omitempty"`
	Action             string   `json:"action,omitempty"` // O.12, ORC-1
	Status             string   `json:"status,omitempty"` // O.26, OBR-25
	Material           string   `json:"material,omitempty"`
	Role               string   `json:"role,omitempty"` // SPM-11: P patient, Q control, C calibrator
	RequestedAt        string   `json:"requestedAt,omitempty"`
	CollectedAt        string   `json:"collectedAt,omitempty"`
	ReceivedAt         string   `json:"receivedAt,omitempty"`
	Comments           []string `json:"comments,omitempty"`
	Patient            *int     `json:"patient,omitempty"`
	Record             int      `json:"record"`
}

// Result is an R record or an OBX segment, or a failed test (status X).
type Result struct {
	Specimen           string      `json:"specimen,omitempty"`
	InstrumentSpecimen string      `json:"instrumentSpecimen,omitempty"`
	Code               string      `json:"code,omitempty"`
	CodeSystem         string      `json:"codeSystem,omitempty"`
	Name               string      `json:"name,omitempty"`
	Aspect             string      `json:"aspect,omitempty"` // what of the analyte this row is, as sent: F, I, P; OBX-4
	Value              string      `json:"value,omitempty"`  // always the instrument's text, escapes decoded
	ValueType          string      `json:"valueType,omitempty"`
	Number             *float64    `json:"number,omitempty"`     // only where the text is a number
	Comparator         string      `json:"comparator,omitempty"` // < > <= >=
	Units              string      `json:"units,omitempty"`
	Range              string      `json:"range,omitempty"`
	Flags              []string    `json:"flags,omitempty"`
	Status             string      `json:"status,omitempty"` // F final, P preliminary, C corrected, X failed …
	Retransmitted      bool        `json:"retransmitted,omitempty"`
	Questionable       bool        `json:"questionable,omitempty"`
	Supplementary      bool        `json:"supplementary,omitempty"` // not a reportable result
	Deleted            bool        `json:"deleted,omitempty"`       // the value is "", the explicit null: delete what you have
	Warnings           []string    `json:"warnings,omitempty"`      // codes of what makes this result questionable
	Lot                string      `json:"lot,omitempty"`           // of a control: lot and level, as sent
	ObservedAt         string      `json:"observedAt,omitempty"`
	Operator           string      `json:"operator,omitempty"`
	Equipment          string      `json:"equipment,omitempty"`
	Comments           []string    `json:"comments,omitempty"`
	Attachment         *Attachment `json:"attachment,omitempty"`
	Patient            *int        `json:"patient,omitempty"`
	Order              *int        `json:"order,omitempty"`
	Record             int         `json:"record"`
}

// Attachment describes encapsulated data; the bytes stay in the raw message.
type Attachment struct {
	Type     string `json:"type"`     // by magic bytes: image/png …; application/octet-stream when unknown
	Encoding string `json:"encoding"` // base64, hex, none
	Bytes    int    `json:"bytes"`    // decoded size
}

// Query is a Q record or a QPD/QRD segment: the instrument asks for work.
type Query struct {
	Specimens []string `json:"specimens,omitempty"`
	Rack      string   `json:"rack,omitempty"`     // where the tube stands whose id is asked for, or could not be read
	Position  string   `json:"position,omitempty"` // in the rack
	To        string   `json:"to,omitempty"`       // end of a range of ids
	Patient   string   `json:"patient,omitempty"`
	Tests     []string `json:"tests,omitempty"`
	All       bool     `json:"all"`
	Status    string   `json:"status,omitempty"` // Q.13
	Tag       string   `json:"tag,omitempty"`    // QPD-2, QRD-4
	Name      string   `json:"name,omitempty"`   // QPD-1
	From      string   `json:"from,omitempty"`   // begin of a range of times
	Until     string   `json:"until,omitempty"`
	Record    int      `json:"record"`
}

// Comment is a C record or an NTE segment.
type Comment struct {
	Text   string `json:"text"`
	Source string `json:"source,omitempty"`
	Record int    `json:"record"`
}

// Warning is a tolerated oddity: its position and its code, never content.
type Warning struct {
	Record int    `json:"record,omitempty"`
	Field  int    `json:"field,omitempty"`
	Code   string `json:"code"` // one of the codes of warning.go
}
