package astm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Parse never panics and never invents: for any bytes at all it gives a
// message whose indexes and positions exist, or an error.
func TestParseTakesAnything(t *testing.T) {
	p := parser(t, codec.Options{})
	line := rapid.StringMatching(`[HPORCQLMSZhpor]?[|^\\&0-9A-Za-z \n."<,XFE@-]{0,60}`)
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SampledFrom([]string{`H|\^&`, `H|@^\`, `H|\^`, `H|^~\&`, "H|", "H", `H\|^&`, "H~~~~", ""}).Draw(t, "head")
		raw := head + "\r" + strings.Join(rapid.SliceOfN(line, 0, 20).Draw(t, "lines"), "\r")
		m, err := p.Parse([]byte(raw))
		if err == nil {
			sound(t, m)
		}
	})
}

// sound checks every index and position of a message.
func sound(t interface{ Errorf(string, ...any) }, m *codec.Message) {
	within := func(what string, index *int, n int) {
		if index != nil && (*index < 0 || *index >= n) {
			t.Errorf("%s %d of %d", what, *index, n)
		}
	}
	record := func(n int) {
		if n < 1 || n > len(m.Records) {
			t.Errorf("record %d of %d", n, len(m.Records))
		}
	}
	for _, r := range m.Results {
		within("order", r.Order, len(m.Orders))
		within("patient", r.Patient, len(m.Patients))
		record(r.Record)
		if r.Order != nil && (r.Specimen != m.Orders[*r.Order].Specimen || m.Orders[*r.Order].Record > r.Record) {
			t.Errorf("a result of record %d has not its order's specimen", r.Record)
		}
		if r.Order == nil && r.Specimen != "" {
			t.Errorf("a result of no order has a specimen")
		}
	}
	for _, o := range m.Orders {
		within("patient", o.Patient, len(m.Patients))
		record(o.Record)
	}
	for _, w := range m.Warnings {
		if w.Record < 0 || w.Record > len(m.Records) || codec.WarningHelp[w.Code] == "" {
			t.Errorf("warning %+v of %d records", w, len(m.Records))
		}
	}
}

// Without escapes and charsets in play, the records are those of a split that
// knows nothing.
func TestRecordsAreANaiveSplit(t *testing.T) {
	p := parser(t, codec.Options{})
	field := rapid.StringMatching(`[0-9A-Za-z^\\ .<>-]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		rows := []string{`H|\^&|||X`}
		for range rapid.IntRange(0, 15).Draw(t, "records") {
			letter := rapid.SampledFrom([]string{"P", "O", "R", "C", "M", "Q", "S", "L", "Z", "r"}).Draw(t, "letter")
			rows = append(rows, letter+"|"+strings.Join(rapid.SliceOfN(field, 0, 16).Draw(t, "fields"), "|"))
		}
		m, err := p.Parse(lines(rows...))
		if err != nil {
			t.Fatal(err)
		}
		want := [][]string{{"H", `|\^&`, "", "", "X"}}
		for _, line := range rows[1:] {
			want = append(want, strings.Split(line, "|"))
		}
		if diff := cmp.Diff(want, m.Records); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
	})
}

// A message built from fields, with any delimiters and every delimiter
// escaped, is parsed into those fields.
func TestFieldsComeBack(t *testing.T) {
	parse := parser(t, codec.Options{}).Parse
	text := rapid.StringMatching(`[0-9A-Za-zÄéß|\\^&@~#]([0-9A-Za-z .|\\^&@~#Äéß]{0,8}[0-9A-Za-z|\\^&@~#Äéß])?`)
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Permutation([]rune(`|\^&@~#`)).Draw(t, "delimiters")[:4]
		esc := func(s string) string {
			var b strings.Builder
			for _, c := range s {
				switch at := slices.Index(d, c); at {
				case -1:
					b.WriteRune(c)
				default:
					b.WriteString(string(d[3]) + string("FRSE"[at]) + string(d[3]))
				}
			}
			return b.String()
		}
		record := func(fields ...string) string { return strings.Join(fields, string(d[0])) }
		comps := func(leaves ...string) string { return strings.Join(leaves, string(d[2])) }
		want := map[string]string{}
		for _, name := range []string{"family", "given", "patient", "test", "value", "units", "operator", "comment"} {
			want[name] = text.Draw(t, name)
		}
		// Zeros and punctuation alone are no id.
		want["specimen"] = text.Filter(func(id string) bool { return !codec.Unread(id) }).Draw(t, "id")
		raw := lines(
			"H"+string(d),
			record("P", "1", "", esc(want["patient"]), "", comps(esc(want["family"]), esc(want["given"]))),
			record("O", "1", esc(want["specimen"]), "", comps("", "", "", esc(want["test"]))),
			record("R", "1", comps("", "", "", esc(want["test"])), esc(want["value"]), esc(want["units"]), "", "", "", "F", "", comps(esc(want["operator"]))),
			record("C", "1", "I", esc(want["comment"])),
			record("L", "1", "N"),
		)
		m, err := parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, m)
		r, p := m.Results[0], m.Patients[0]
		got := map[string]string{
			"family": p.Name.Family, "given": p.Name.Given, "patient": p.ID, "specimen": r.Specimen, "test": r.Code,
			"value": r.Value, "units": r.Units, "operator": r.Operator, "comment": r.Comments[0],
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", raw, diff)
		}
	})
}

// Whatever nesting the standard allows: every result has the specimen of the
// nearest order before it under its own patient, or none.
func TestSpecimenSafety(t *testing.T) {
	p := parser(t, codec.Options{})
	rapid.Check(t, func(t *rapid.T) {
		rows := []string{`H|\^&|||X`}
		specimen, patient, owner, n := "", "", "message", 0
		var want [][3]string
		comments := map[string]string{} // text → what it belongs to
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			n++
			switch kind := rapid.SampledFrom([]string{"P", "O", "O", "R", "R", "R", "C", "M", "Q", "S", "H", "Z", ""}).Draw(t, "kind"); kind {
			case "P":
				patient, specimen = fmt.Sprint("P", n), ""
				owner = patient
				rows = append(rows, fmt.Sprintf("P|%d||%s", rapid.IntRange(0, 3).Draw(t, "seq"), patient))
			case "O":
				specimen = fmt.Sprint("S", n)
				owner = specimen
				place := rapid.SampledFrom([]string{"O|1|%s||^^^T", "O|9|%s^x|y^z|^^^T", "o||  %s  ", "O|1||%s^3^4|^^^T", "O|1||^^  %s^M"}).Draw(t, "place")
				rows = append(rows, fmt.Sprintf(place, specimen))
			case "R":
				rows = append(rows, fmt.Sprintf("R|1|^^^T|%d|||||F", n))
				want = append(want, [3]string{fmt.Sprint(n), specimen, patient})
				owner = fmt.Sprint(n)
			case "C":
				rows = append(rows, fmt.Sprintf("C|1|I|c%d|G", n))
				comments[fmt.Sprint("c", n)] = owner
			case "M", "Z", "":
				rows = append(rows, kind)
			case "Q", "S":
				specimen, patient, owner = "", "", "message"
				rows = append(rows, kind+"|1|^ID")
			case "H":
				specimen, patient, owner = "", "", "message"
				rows = append(rows, `H|\^&|||X`)
			}
		}
		m, err := p.Parse(lines(append(rows, "L|1|N")...))
		if err != nil {
			t.Fatal(err)
		}
		sound(t, m)
		var got [][3]string
		for _, r := range m.Results {
			id := ""
			if r.Patient != nil {
				id = m.Patients[*r.Patient].ID
			}
			got = append(got, [3]string{r.Value, r.Specimen, id})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n(-want +got):\n%s", strings.Join(rows, "\n"), diff)
		}
		if diff := cmp.Diff(comments, owners(m)); diff != "" {
			t.Fatalf("comments of %s\n(-want +got):\n%s", strings.Join(rows, "\n"), diff)
		}
	})
}

// owners says of every comment what it belongs to: a result by its value, an
// order by its specimen, a patient by the id, or the message.
func owners(m *codec.Message) map[string]string {
	out := map[string]string{}
	note := func(comments []string, owner string) {
		for _, c := range comments {
			out[c] = owner
		}
	}
	for _, r := range m.Results {
		note(r.Comments, r.Value)
	}
	for _, o := range m.Orders {
		note(o.Comments, o.Specimen)
	}
	for _, p := range m.Patients {
		note(p.Comments, p.ID)
	}
	for _, c := range m.Comments {
		note([]string{c.Text}, "message")
	}
	return out
}
