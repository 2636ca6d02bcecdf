package ingest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// began is when the streams of these tests began.
var began = time.Date(2026, 11, 23, 6, 0, 0, 123456789, time.UTC)

// delivered is a message as the bus delivers it at sequence.
func delivered(t testing.TB, sequence uint64, m codec.Message) ingest.Delivery {
	t.Helper()
	m.Schema, m.Protocol, m.Site = codec.Schema, "astm", "main"
	if m.Instrument == "" {
		m.Instrument = "xn1000"
	}
	if m.Kind == "" {
		m.Kind = codec.KindResult
	}
	if m.RawSequence == 0 {
		m.RawSequence = sequence
	}
	m.ReceivedAt = began.Add(time.Duration(m.RawSequence) * time.Second).Format(time.RFC3339Nano)
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return ingest.Delivery{
		Sequence: sequence, StoredAt: began.Add(time.Duration(sequence) * time.Second),
		Subject: subjects.Parsed(m.Site, m.Instrument, m.Kind), Header: map[string][]string{}, Body: body, Message: &m,
	}
}

// replayed marks d as published again by a replay.
func replayed(d ingest.Delivery) ingest.Delivery {
	d.Header = map[string][]string{subjects.HeaderReplay: {"run-1"}}
	return d
}

func failed(sequence uint64, id, reason string) ingest.Delivery {
	return ingest.Delivery{
		Sequence: sequence, StoredAt: began.Add(time.Duration(sequence) * time.Second), Subject: subjects.Failed("main", "xn1000", reason),
		Failure: &bridge.Failure{
			Schema: bridge.FailedSchema, ID: subjects.FailedID(id, reason), Site: "main", Instrument: "xn1000", Protocol: "astm",
			Reason: reason, Error: "record 3: no delimiters", Record: 3, Bytes: 120, ReceivedAt: "2026-11-23T06:00:00Z", RawSequence: sequence,
		},
	}
}

// result of specimen and code.
func result(specimen, code, value, status string) codec.Result {
	return codec.Result{Specimen: specimen, Code: code, Value: value, Status: status, Record: 4}
}

func of(id string, results ...codec.Result) codec.Message {
	return codec.Message{ID: id, Results: results}
}

// about is m of a patient, and all its results with it.
func about(m codec.Message, patient string) codec.Message {
	m.Patients = []codec.Patient{{ID: patient, Record: 2}}
	for n := range m.Results {
		m.Results[n].Patient = new(int)
	}
	return m
}

// story is what happens on the bus, and the results that are in the database
// afterwards: message id/revision specimen code value, + when it is current,
// and the message that corrected it.
type story struct {
	name string
	bus  func(t *testing.T) []ingest.Delivery
	want []string
	once bool // what is delivered here cannot come again
}

func stories() []story {
	return []story{
		{"two results", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{delivered(t, 1, of("a", result("S1", "WBC", "5.9", "F"), result("S1", "RBC", "4.7", "F")))}
		}, []string{"a/1 S1 RBC 4.7 +", "a/1 S1 WBC 5.9 +"}, false},
		{"repeat of the instrument", func(t *testing.T) []ingest.Delivery {
			m := of("a", result("S1", "WBC", "5.9", "F"))
			again := delivered(t, 7, m)
			again.Message.Quirks = []string{"no-lf"} // the link needed it this time
			return []ingest.Delivery{delivered(t, 1, m), again}
		}, []string{"a/1 S1 WBC 5.9 +"}, false},
		{"same result measured twice", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{delivered(t, 1, of("a", result("S1", "WBC", "5.9", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "5.9", "F")))}
		}, []string{"a/1 S1 WBC 5.9 +", "b/1 S1 WBC 5.9 +"}, false},
		{"replay that differs", func(t *testing.T) []ingest.Delivery {
			better := of("a", result("S1", "WBC", "5.90", "F"))
			better.RawSequence = 1
			return []ingest.Delivery{delivered(t, 1, of("a", result("S1", "WBC", "590", "F"))), replayed(delivered(t, 2, better))}
		}, []string{"a/1 S1 WBC 590 -", "a/2 S1 WBC 5.90 +"}, false},
		{"replay that does not differ", func(t *testing.T) []ingest.Delivery {
			m := of("a", result("S1", "WBC", "5.9", "F"))
			return []ingest.Delivery{delivered(t, 1, m), replayed(delivered(t, 2, m))}
		}, []string{"a/1 S1 WBC 5.9 +"}, false},
		{"replay and back again", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))),
				replayed(delivered(t, 2, of("a", result("S1", "WBC", "2", "F"), result("S1", "RBC", "3", "F")))),
				replayed(delivered(t, 3, of("a", result("S1", "WBC", "1", "F")))),
			}
		}, []string{"a/1 S1 WBC 1 -", "a/2 S1 RBC 3 -", "a/2 S1 WBC 2 -", "a/3 S1 WBC 1 +"}, false},
		{"replay on a bus that was set up anew", func(t *testing.T) []ingest.Delivery {
			d := replayed(delivered(t, 1, of("a", result("S1", "WBC", "2", "F"))))
			d.StoredAt = began.Add(time.Hour)
			return []ingest.Delivery{delivered(t, 900, of("a", result("S1", "WBC", "1", "F"))), d}
		}, []string{"a/1 S1 WBC 1 -", "a/2 S1 WBC 2 +"}, true},
		{"old revision delivered late", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				replayed(delivered(t, 2, of("a", result("S1", "WBC", "2", "F")))), delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))),
			}
		}, []string{"a/1 S1 WBC 2 +", "a/2 S1 WBC 1 -"}, false},
		{"correction", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "5.9", "F"), result("S1", "RBC", "4.7", "F"))),
				delivered(t, 2, of("b", result("S1", "WBC", "6.1", "C"))),
			}
		}, []string{"a/1 S1 RBC 4.7 +", "a/1 S1 WBC 5.9 - b", "b/1 S1 WBC 6.1 +"}, false},
		{"correction of a correction", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "2", "C"))),
				delivered(t, 3, of("c", result("S1", "WBC", "3", "C"))),
			}
		}, []string{"a/1 S1 WBC 1 - b", "b/1 S1 WBC 2 - c", "c/1 S1 WBC 3 +"}, false},
		{"correction within a message", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{delivered(t, 1, of("a", result("S1", "WBC", "1", "F"), result("S1", "WBC", "2", "C")))}
		}, []string{"a/1 S1 WBC 1 - a", "a/1 S1 WBC 2 +"}, false},
		{"correction of the newest of two measurements", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "2", "F"))),
				delivered(t, 3, of("c", result("S1", "WBC", "3", "C"))),
			}
		}, []string{"a/1 S1 WBC 1 +", "b/1 S1 WBC 2 - c", "c/1 S1 WBC 3 +"}, false},
		{"correction of something else", func(t *testing.T) []ingest.Delivery {
			other := result("S1", "WBC", "2", "F")
			other.Aspect = "I"
			elsewhere := of("c", result("S1", "WBC", "3", "F"))
			elsewhere.Instrument = "cobas"
			control := of("d", result("S1", "WBC", "4", "F"))
			control.Kind = codec.KindQC
			return []ingest.Delivery{
				delivered(t, 1, of("a", other)), delivered(t, 2, elsewhere), delivered(t, 3, control),
				delivered(t, 4, of("e", result("S2", "WBC", "5", "F"), result("S1", "RBC", "6", "F"))),
				delivered(t, 5, of("f", result("S1", "WBC", "7", "C"))),
			}
		}, []string{"a/1 S1 WBC 2 +", "c/1 S1 WBC 3 +", "d/1 S1 WBC 4 +", "e/1 S1 RBC 6 +", "e/1 S2 WBC 5 +", "f/1 S1 WBC 7 +"}, false},
		{"corrections without specimen or code", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("", "WBC", "1", "F"), result("S1", "", "2", "F"))),
				delivered(t, 2, of("b", result("", "WBC", "3", "C"), result("S1", "", "4", "C"))),
			}
		}, []string{"a/1  WBC 1 +", "a/1 S1  2 +", "b/1  WBC 3 +", "b/1 S1  4 +"}, false},
		{"specimen number used again for another patient", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, about(of("a", result("12", "WBC", "1", "F")), "P1")),
				delivered(t, 2, about(of("b", result("12", "WBC", "2", "C")), "P2")),
				delivered(t, 3, about(of("c", result("12", "WBC", "3", "C")), "P2")),
			}
		}, []string{"a/1 12 WBC 1 +", "b/1 12 WBC 2 - c", "c/1 12 WBC 3 +"}, false},
		{"replay of what was corrected", func(t *testing.T) []ingest.Delivery {
			better := of("a", result("S1", "WBC", "1.0", "F"))
			better.RawSequence = 1
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "2", "C"))),
				replayed(delivered(t, 3, better)),
			}
		}, []string{"a/1 S1 WBC 1 -", "a/2 S1 WBC 1.0 - b", "b/1 S1 WBC 2 +"}, false},
		{"replay of a correction that was none", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "2", "C"))),
				replayed(delivered(t, 3, of("b", result("S2", "WBC", "2", "C")))),
			}
		}, []string{"a/1 S1 WBC 1 +", "b/1 S1 WBC 2 -", "b/2 S2 WBC 2 +"}, false},
		{"replay of a correction", func(t *testing.T) []ingest.Delivery {
			better := of("c", result("S1", "WBC", "3.0", "C"))
			better.RawSequence = 3
			return []ingest.Delivery{
				delivered(t, 1, of("a", result("S1", "WBC", "1", "F"))), delivered(t, 2, of("b", result("S1", "WBC", "2", "F"))),
				delivered(t, 3, of("c", result("S1", "WBC", "3", "C"))), replayed(delivered(t, 4, better)),
			}
		}, []string{"a/1 S1 WBC 1 +", "b/1 S1 WBC 2 - c", "c/1 S1 WBC 3 -", "c/2 S1 WBC 3.0 +"}, false},
		{"once failed, replayed after its correction", func(t *testing.T) []ingest.Delivery {
			late := of("a", result("S1", "WBC", "1", "F"))
			late.RawSequence = 1
			return []ingest.Delivery{
				failed(1, "a", subjects.ReasonUnparsable), delivered(t, 2, of("b", result("S1", "WBC", "2", "C"))), replayed(delivered(t, 3, late)),
			}
		}, []string{"a/1 S1 WBC 1 - b", "b/1 S1 WBC 2 +"}, false},
		{"padding that a database has no place for", func(t *testing.T) []ingest.Delivery {
			return []ingest.Delivery{delivered(t, 1, of("a\x00", result("S\x001", "WBC", "5\x00", "F")))}
		}, []string{"a\uFFFD/1 S\uFFFD1 WBC 5\uFFFD +"}, false},
	}
}

// batchings are ways in which a story may reach a sink. None may matter.
func batchings() map[string]func([]ingest.Delivery) [][]ingest.Delivery {
	oneByOne := func(all []ingest.Delivery) [][]ingest.Delivery { return slices.Collect(slices.Chunk(all, 1)) }
	return map[string]func([]ingest.Delivery) [][]ingest.Delivery{
		"in one batch": func(all []ingest.Delivery) [][]ingest.Delivery { return [][]ingest.Delivery{all} },
		"one by one":   oneByOne,
		"twice":        func(all []ingest.Delivery) [][]ingest.Delivery { return [][]ingest.Delivery{all, all} },
		"each twice": func(all []ingest.Delivery) [][]ingest.Delivery {
			var twice [][]ingest.Delivery
			for _, one := range oneByOne(all) {
				twice = append(twice, one, one)
			}
			return twice
		},
		"twice in one batch": func(all []ingest.Delivery) [][]ingest.Delivery {
			return [][]ingest.Delivery{slices.Concat(all, all)}
		},
	}
}

// testSink is the contract of a sink with our tables. open gives a fresh one
// and a second look at its database.
func testSink(t *testing.T, open func(*testing.T) (ingest.Sink, look)) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			for name, parted := range batchings() {
				if s.once && strings.Contains(name, "twice") {
					continue
				}
				sink, db := open(t)
				for _, batch := range parted(s.bus(t)) {
					if err := sink.Write(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(s.want, resultLines(t, db)); diff != "" {
					t.Errorf("%s: results (-want +got):\n%s", name, diff)
				}
			}
		})
	}
	t.Run("failures", func(t *testing.T) {
		sink, db := open(t)
		for _, batch := range [][]ingest.Delivery{
			{failed(1, "a", subjects.ReasonUnparsable), failed(2, "a", subjects.ReasonUnparsable)},
			{failed(3, "b", subjects.ReasonIncomplete), failed(1, "a", subjects.ReasonUnparsable)}, nil,
		} {
			if err := sink.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		got := lines(t, db, "SELECT message_id, reason, sequence, record, error FROM failures ORDER BY sequence")
		want := []string{"a|unparsable|1|3|record 3: no delimiters", "b|incomplete|3|3|record 3: no delimiters"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})
	t.Run("columns", func(t *testing.T) { testColumns(t, open) })
	t.Run("nothing of a batch that cannot be", func(t *testing.T) {
		sink, db := open(t)
		bad := delivered(t, 2, of("b", result("S1", "WBC", "5.9", "F")))
		good := delivered(t, 1, of("a", result("S1", "WBC", "5.9", "F")))
		lines(t, db, "CREATE UNIQUE INDEX one_control ON messages (control_id)")
		good.Message.ControlID, bad.Message.ControlID = "7", "7"
		err := sink.Write(t.Context(), []ingest.Delivery{good, bad})
		if !isRefused(err) {
			t.Fatalf("got %v, want an error of ErrRefused", err)
		}
		if got := resultLines(t, db); len(got) != 0 {
			t.Errorf("half a batch was kept: %v", got)
		}
		if err := sink.Write(t.Context(), []ingest.Delivery{good}); err != nil {
			t.Errorf("after a refusal: %v", err)
		}
	})
}

// testColumns writes a message with everything and reads what a LIS reads.
func testColumns(t *testing.T, open func(*testing.T) (ingest.Sink, look)) {
	number := 5.9
	r := codec.Result{
		Specimen: "S1", InstrumentSpecimen: "3^7", Code: "WBC", CodeSystem: "L", Name: "Leucocytes", Aspect: "F", Value: "<5.90", ValueType: "NM",
		Number: &number, Comparator: "<", Units: "10*3/uL", Range: "4.0-10.0", Flags: []string{"H", "A"}, Status: "F", Supplementary: true,
		ObservedAt: "2026-11-23T08:36:00+02:00", Operator: "tech1", Equipment: "XN-1", Comments: []string{"one", "two"}, Patient: new(int), Order: new(int), Record: 5,
	}
	m := codec.Message{
		ID: "a", Type: "ORU^R01", Version: "2.3.1", ControlID: "77", SentAt: "2026-11-23", Sender: &codec.Sender{Name: "XN"}, Processing: "production",
		Patients: []codec.Patient{{ID: "P1", Record: 2}},
		Orders: []codec.Order{{Specimen: "S1", Placer: "O1", Position: "3^7", Tests: []string{"WBC", "RBC"}, Priority: "R", Material: "blood",
			CollectedAt: "2026-11-23T08:00:00.5+02:00", Patient: new(int), Record: 3}},
		Results: []codec.Result{r, {Code: "X", ObservedAt: "2026-11", Record: 6}},
		Queries: []codec.Query{{Specimens: []string{"S1", "S2"}, Tests: []string{"ALL"}, All: true, Record: 7}},
	}
	sink, db := open(t)
	if err := sink.Write(t.Context(), []ingest.Delivery{delivered(t, 42, m)}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]string{
		`SELECT instrument, specimen, instrument_specimen, patient, code, code_system, name, aspect, value, value_type, number, comparator, units, range,
			flags, status, observed_text, operator, equipment, comments, raw_sequence, revision FROM results WHERE specimen = 'S1'`: {
			"xn1000|S1|3^7|P1|WBC|L|Leucocytes|F|<5.90|NM|5.9|<|10*3/uL|4.0-10.0|H,A|F|2026-11-23T08:36:00+02:00|tech1|XN-1|one\ntwo|42|1"},
		`SELECT code, number, observed_at, observed_text FROM results WHERE NOT current OR specimen IS NULL`:                             {"X|NULL|NULL|2026-11"},
		`SELECT code FROM results WHERE supplementary AND current`:                                                                       {"WBC"},
		`SELECT type, version, control_id, sender, processing, sent_at, raw_sequence, sequence FROM messages`:                            {"ORU^R01|2.3.1|77|XN|production|NULL|42|42"},
		`SELECT specimen, placer, rack, tests, priority, material, patient, item FROM orders WHERE current`:                              {"S1|O1|3^7|WBC,RBC|R|blood|P1|1"},
		`SELECT specimens, tests, item FROM queries WHERE wants_all AND current`:                                                         {"S1,S2|ALL|1"},
		`SELECT count(*) FROM results WHERE instrument = 'xn1000' AND received_at >= '2026-11-23T06:00:42.123456Z'`:                      {"2"},
		`SELECT count(*) FROM results WHERE instrument = 'xn1000' AND received_at >= '2026-11-23T06:00:42.123457Z'`:                      {"0"},
		`SELECT count(*) FROM results WHERE observed_at = '2026-11-23T06:36:00.000000Z'`:                                                 {"1"},
		`SELECT count(*) FROM orders WHERE collected_at = '2026-11-23T06:00:00.500000Z' AND received_at > '2026-11-23T00:00:00.000000Z'`: {"1"},
	} {
		if diff := cmp.Diff(want, lines(t, db, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// resultLines are the rows of results as a [story] has them.
func resultLines(t *testing.T, db look) []string {
	t.Helper()
	rows := lines(t, db, `SELECT m.message_id, r.revision, r.specimen, r.code, r.value, CASE WHEN r.current THEN '+' ELSE '-' END, c.message_id
		FROM results r JOIN messages m ON m.id = r.message LEFT JOIN messages c ON c.id = r.corrected_by`)
	for n, row := range rows {
		f := split(row)
		rows[n] = fmt.Sprintf("%s/%s %s %s %s %s", f[0], f[1], f[2], f[3], f[4], f[5])
		if f[6] != "" {
			rows[n] += " " + f[6]
		}
	}
	slices.Sort(rows)
	return rows
}
