package astm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// place is what a message says of where its specimen is.
type place struct {
	specimen, rack, position string
	chosen, none             bool // specimen-chosen, no-specimen
}

func placeOf(m *codec.Message) place {
	o := m.Orders[0]
	return place{
		specimen: o.Specimen, rack: o.Rack, position: o.Position,
		chosen: warned(m, codec.WarnSpecimenChosen), none: warned(m, codec.WarnNoSpecimen),
	}
}

func warned(m *codec.Message, code string) bool {
	return slices.ContainsFunc(m.Warnings, func(w codec.Warning) bool { return w.Code == code })
}

// The layout of a field decides where the id is, its presence whether there
// is one; where another place could have been meant, the message says so.
func TestPlaceOfSpecimen(t *testing.T) {
	tests := []struct {
		name, o3, o4 string
		path         string
		want         place
	}{
		{name: "the standard's place", o3: "SX81", want: place{specimen: "SX81"}},
		{name: "rack, id read", o4: "3^4^SX81^M", want: place{specimen: "SX81", rack: "3", position: "3^4"}},
		{name: "rack, id blank", o4: "3^4^        ^M", want: place{rack: "3", position: "3^4", none: true}},
		{name: "rack, id empty", o4: "3^4^^B", want: place{rack: "3", position: "3^4", none: true}},
		{name: "rack, error of the reader", o4: "3^4^ERR0000012^B", want: place{rack: "3", position: "3^4", none: true}},
		{name: "rack, zeros", o4: "3^4^0000000000^A", want: place{rack: "3", position: "3^4", none: true}},
		{name: "rack, padded numbers", o4: "000003^04^          SX81^C", want: place{specimen: "SX81", rack: "000003", position: "000003^04"}},
		{name: "rack without numbers", o4: "^^SX81^M", want: place{specimen: "SX81"}},
		{name: "Roche: sequence, rack, position", o4: "17^5011^3^^S1^SC", want: place{rack: "5011", position: "5011^3", none: true}},
		{name: "Roche: id in O.3", o3: "SX81", o4: "17^5011^3^^S1^SC", want: place{specimen: "SX81", rack: "5011", position: "5011^3"}},
		{name: "blanks are a place without an id", o3: "      ", o4: "17", want: place{none: true}},
		{name: "empty components, too", o3: "^^", o4: "SX82", want: place{none: true}},
		{name: "words of a reader", o3: "NO READ", want: place{none: true}},
		{name: "stars", o3: "**********", want: place{none: true}},
		{name: "several components", o3: "01^SX81", want: place{specimen: "01", chosen: true}},
		{name: "a type behind the id", o3: "SX81^SERUM", want: place{specimen: "SX81", chosen: true}},
		{name: "blanks behind the id are a place, too", o3: "SX81^   ", want: place{specimen: "SX81", chosen: true}},
		{name: "a short number", o3: "12", want: place{specimen: "12", chosen: true}},
		{name: "O.4 alone", o4: "5", want: place{specimen: "5", chosen: true}},
		{name: "O.4 with carrier", o4: "SX81^C7^2", want: place{specimen: "SX81", rack: "C7", position: "C7^2", chosen: true}},
		{name: "the first component of O.4 is missing", o4: "^C7^2", want: place{rack: "C7", position: "C7^2", none: true}},
		{name: "the path settles components", o3: "01^SX81", path: "O.3.2", want: place{specimen: "SX81"}},
		{name: "the path settles O.4", o4: "5", path: "O.4.1", want: place{specimen: "5"}},
		{name: "the path finds blanks", o3: "SX81^  ", path: "O.3.2", want: place{none: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := codec.Options{}
			if tt.path != "" {
				o.SpecimenPath = []string{tt.path}
			}
			m := parse(t, o, `H|\^&|||X`, "P|1", "O|1|"+tt.o3+"|"+tt.o4+"|^^^T", "R|1|^^^T|5||||||F", "L|1|N")
			if got := placeOf(m); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A query without an id asks for no specimen and names no patient.
func TestPlaceOfQuery(t *testing.T) {
	tests := []struct {
		name, q3 string
		want     codec.Query
		chosen   bool
	}{
		{"rack, blank", "2^1^               ^B", codec.Query{Rack: "2", Position: "1"}, false},
		{"rack, empty", "2^1^^B", codec.Query{Rack: "2", Position: "1"}, false},
		{"rack, error", "2^1^ERR^B", codec.Query{Rack: "2", Position: "1"}, false},
		{"rack, id", "2^1^SX81^B", codec.Query{Rack: "2", Position: "1", Specimens: []string{"SX81"}}, false},
		{"rack and position", "2^1", codec.Query{Rack: "2", Position: "1"}, true},
		{"rack, position, id", "2^1^SX81", codec.Query{Rack: "2", Position: "1", Specimens: []string{"SX81"}}, true},
		{"patient and specimen", "PX7^SX81", codec.Query{Patient: "PX7", Specimens: []string{"SX81"}}, true},
		{"patient, blank specimen", "PX7^     ", codec.Query{}, true},
		{"the standard's place", "^SX81", codec.Query{Specimens: []string{"SX81"}}, false},
		{"Roche", "^^SX81^12^5011^3^^S1^SC", codec.Query{Rack: "5011", Position: "3", Specimens: []string{"SX81"}}, false},
		{"Roche, blank", "^^      ^12^5011^3^^S1^SC", codec.Query{Rack: "5011", Position: "3"}, false},
		{"a lone number", "^^7", codec.Query{Specimens: []string{"7"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, codec.Options{}, `H|\^&|||X`, "Q|1|"+tt.q3, "L|1|N")
			tt.want.Record = 2
			if diff := cmp.Diff([]codec.Query{tt.want}, m.Queries); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := warned(m, codec.WarnSpecimenChosen); got != tt.chosen {
				t.Errorf("specimen-chosen %v, want %v", got, tt.chosen)
			}
		})
	}
}

// Who names itself is known: no option and no warning is needed, and no name
// that merely begins so is taken for it.
func TestKnownSenders(t *testing.T) {
	tests := []struct {
		name, h5, p, o string
		want           place
	}{
		{"IDS-iSYS", "IDS-iSYS^1", "P|1", "O|1|01^SX81", place{specimen: "SX81"}},
		{"IDS-iSYS without id", "IDS-iSYS^1", "P|1", "O|1|01^   ", place{none: true}},
		{"c311", "c311^1", "P|1", "O|1|17^SX81^5^^S1^SC", place{specimen: "SX81"}},
		{"Afinion 2", "Afinion 2 Analyzer^AF1", "P|1|PX7|SX81", "O|1||12", place{specimen: "SX81"}},
		{"DCA Vantage", "DCA VANTAGE^S1", "P|1|SX81", "O|1||12^0422", place{specimen: "SX81", position: "0422"}},
		{"Mindray CL", "Mindray^^", "P|1", "O|1|12|SX81", place{specimen: "SX81"}},
		{"Sysmex without attribute", "XN-550^00-22", "P|1", "O|1||3^4^SX81", place{specimen: "SX81", rack: "3", position: "3^4"}},
		{"Sysmex, unread", "XN-550^00-22", "P|1", "O|1||3^4^", place{rack: "3", position: "3^4", none: true}},
		{"a name that begins so", "XNight^1", "P|1", "O|1||3^4^", place{specimen: "3", position: "4", chosen: true}},
		{"an unknown sender", "BENCH", "P|1", "O|1|01^SX81", place{specimen: "01", chosen: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, codec.Options{}, `H|\^&|||`+tt.h5, tt.p, tt.o, "R|1|^^^T|5||||||F", "L|1|N")
			if got := placeOf(m); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Below the order of a control a Q directly behind an R completes it.
func TestControlQueryCompletesResult(t *testing.T) {
	type outcome struct {
		kind             string
		results, queries int
		lot              string
		order            bool // the last result belongs to the order
	}
	control, patient := "O|1|SXLOT||^^^WBC|R||||||Q", "O|1|SX81||^^^WBC|R||||||N"
	r, r2 := "R|1|^^^WBC|7.1|10*3/uL||||F", "R|2|^^^RBC|4.6|10*6/uL||||F"
	tests := []struct {
		name string
		rows []string
		want outcome
	}{
		{"a number in Q.4", []string{"P|1", control, r, "Q|1|^SXLOT||^^^WBC|7.1"}, outcome{"qc", 1, 0, "SXLOT", true}},
		{"a number alone", []string{"P|1", control, r, "Q|1|^SXLOT^L1|7.1"}, outcome{"qc", 1, 0, "SXLOT^L1", true}},
		{"the test in Q.3", []string{"P|1", control, r, "Q|1|WBC^SXLOT^L1"}, outcome{"qc", 1, 0, "SXLOT^L1", true}},
		{"an R behind it", []string{"P|1", control, r, "Q|1|^SXLOT||^^^WBC", r2}, outcome{"qc", 2, 0, "SXLOT", true}},
		{"each R has one", []string{"P|1", control, r, "Q|1|^SXLOT||^^^WBC", r2, "Q|2|^SXLOT||^^^RBC"}, outcome{"qc", 2, 0, "SXLOT", true}},
		{"a control patient", []string{"P|1||QC", patient, r, "Q|1|^SXLOT||^^^WBC"}, outcome{"qc", 1, 0, "SXLOT", true}},
		{"a comment between", []string{"P|1", control, r, "C|1|I|x|G", "Q|1|^SXLOT||^^^WBC"}, outcome{"qc", 1, 0, "SXLOT", true}},
		{"another test and no number", []string{"P|1", control, r, "Q|1|^SX99||^^^HGB"}, outcome{"qc", 1, 1, "", true}},
		{"not behind an R", []string{"P|1", control, "Q|1|^SX99||^^^WBC"}, outcome{"query", 0, 1, "", false}},
		{"a patient's order", []string{"P|1", patient, r, "Q|1|^SX99||^^^WBC"}, outcome{"result", 1, 1, "", true}},
		{"a name that begins so", []string{"P|1||||QCONTI", patient, r, "Q|1|^SX99||^^^WBC"}, outcome{"result", 1, 1, "", true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, codec.Options{}, slices.Concat([]string{`H|\^&|||X`}, tt.rows, []string{"L|1|N"})...)
			got := outcome{kind: m.Kind, results: len(m.Results), queries: len(m.Queries)}
			if n := len(m.Results); n > 0 {
				got.lot, got.order = m.Results[0].Lot, m.Results[n-1].Order != nil
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.lot != "" && !slices.Contains(m.Quirks, "qc-after-result") {
				t.Error("the quirk is not noted")
			}
		})
	}
}

// Setting the place of the specimen to blanks never makes another field the
// specimen: there is none then.
func TestBlanksChooseNoNeighbour(t *testing.T) {
	p := parser(t, codec.Options{})
	senders := []string{"X"}
	for _, f := range codec.Families() {
		if f.Protocol == "astm" {
			senders = append(senders, f.Says...)
		}
	}
	leaf := rapid.SampledFrom([]string{"", "", "7", "01", "SX81", "SX82", "M", "B", "S1", "SC", "C7"})
	field := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(leaf, 1, 6).Draw(t, "components"), "^")
	})
	rapid.Check(t, func(t *rapid.T) {
		const id, blank = "SXPLACE7", "        "
		fields := map[string]string{}
		for _, name := range []string{"P.3", "P.4", "O.3", "O.4", "Q.3"} {
			fields[name] = field.Draw(t, name)
		}
		sender := rapid.SampledFrom(senders).Draw(t, "sender")
		name := rapid.SampledFrom([]string{"P.3", "P.4", "O.3", "O.4", "Q.3"}).Draw(t, "place")
		parts := strings.Split(fields[name], "^")
		at := rapid.IntRange(0, len(parts)-1).Draw(t, "component")
		read := func(text string) *codec.Message {
			parts[at] = text
			fields[name] = strings.Join(parts, "^")
			m, err := p.Parse(lines(`H|\^&|||`+sender, "P|1|"+fields["P.3"]+"|"+fields["P.4"],
				"O|1|"+fields["O.3"]+"|"+fields["O.4"]+"|^^^T", "R|1|^^^T|5||||||F", "Q|1|"+fields["Q.3"], "L|1|N"))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		with, without := read(id), read(blank)
		if with.Results[0].Specimen == id && without.Results[0].Specimen != "" {
			t.Fatal("blanks made another place the specimen")
		}
		if q := with.Queries; len(q) > 0 && slices.Contains(q[0].Specimens, id) && (len(without.Queries[0].Specimens) > 0 || without.Queries[0].Patient != "") {
			t.Fatal("blanks made another place the specimen of the query")
		}
	})
}
