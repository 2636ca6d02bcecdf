package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// markSupplementary sets rows of one order apart that no one reports:
//   - rows without status where others of the order have one: GeneXpert's
//     details of probes (R.9 is what its manual calls the reportable mark);
//   - attachments and names of images (Sysmex scattergrams);
//   - suspect flags of the analyzer: a code that ends in a question mark with
//     a score or nothing, and a code with nothing but the flag A, both without
//     units and range (Sysmex IP messages).
func markSupplementary(rows []codec.Result, unsaid func(*codec.Result) bool) {
	said := false
	for i := range rows {
		said = said || !unsaid(&rows[i])
	}
	for i := range rows {
		r := &rows[i]
		if said && unsaid(r) {
			r.Supplementary, r.Status = true, ""
			continue
		}
		if r.Attachment != nil || imageName(r.Value) || suspectFlag(r) {
			r.Supplementary = true
		}
	}
}

// unsaid tells results whose R.9 is empty.
func (w *walk) unsaid(r *codec.Result) bool {
	record := w.m.Records[r.Record-1]
	return isResult(record) && (len(record) < 9 || strings.TrimSpace(record[8]) == "")
}

func isResult(record []string) bool {
	return strings.EqualFold(strings.TrimSpace(record[0]), "R")
}

func imageName(value string) bool {
	dot := strings.LastIndexByte(value, '.')
	if dot < 1 {
		return false
	}
	switch strings.ToUpper(value[dot+1:]) {
	case "PNG", "JPG", "JPEG", "BMP", "GIF", "TIF", "TIFF":
		return true
	}
	return false
}

func suspectFlag(r *codec.Result) bool {
	if r.Units != "" || r.Range != "" {
		return false
	}
	if strings.HasSuffix(r.Code, "?") {
		return r.Value == "" || r.Number != nil
	}
	return r.Value == "" && len(r.Flags) == 1 && r.Flags[0] == "A"
}

// aspects says what of the analyte a row is where R.3 tells: the last
// component F, I or P of the Abbott family (final value, interpretation, raw
// value), otherwise, where rows of one order share a code, the components
// behind the code in which they differ (GeneXpert: LOG, HIV-1^Ct).
func (w *walk) aspects(rows []codec.Result) {
	type test struct {
		code          string
		supplementary bool
	}
	count := make(map[test]int, len(rows))
	shared := false
	for i := range rows {
		r := &rows[i]
		if !isResult(w.m.Records[r.Record-1]) {
			continue
		}
		if r.Aspect = w.mark(w.testID(r)); r.Aspect == "" {
			key := test{r.Code, r.Supplementary}
			count[key]++
			shared = shared || count[key] > 1
		}
	}
	if !shared {
		return
	}
	together := map[test][]*codec.Result{}
	for i := range rows {
		r := &rows[i]
		if key := (test{r.Code, r.Supplementary}); r.Aspect == "" && count[key] > 1 && isResult(w.m.Records[r.Record-1]) {
			together[key] = append(together[key], r)
		}
	}
	for _, group := range together {
		w.differ(group)
	}
}

func (w *walk) testID(r *codec.Result) string {
	if record := w.m.Records[r.Record-1]; len(record) >= fieldCode {
		return record[fieldCode-1]
	}
	return ""
}

// mark is F, I or P as the last of more than five components.
func (w *walk) mark(id string) string {
	if w.d.component == "" || strings.Count(id, w.d.component) < 5 {
		return ""
	}
	switch last := id[strings.LastIndex(id, w.d.component)+len(w.d.component):]; last {
	case "F", "I", "P":
		return last
	}
	return ""
}

// mostComponents bounds how much of a universal test id is compared.
const mostComponents = 24

// differ gives every row of the group the components of its test id that are
// not the same in all of them.
func (w *walk) differ(group []*codec.Result) {
	ids := make([][]string, len(group))
	for i, r := range group {
		leaves := strings.SplitN(w.testID(r), w.separator(), mostComponents)
		for n := range leaves {
			if leaves[n] = w.decode(leaves[n]); leaves[n] == r.Code || leaves[n] == r.Name {
				leaves[n] = ""
			}
		}
		ids[i] = leaves
	}
	at := func(i, n int) string {
		if n < len(ids[i]) {
			return ids[i][n]
		}
		return ""
	}
	for n := range mostComponents {
		same := true
		for i := range ids {
			same = same && at(i, n) == at(0, n)
		}
		for i, r := range group {
			if same || at(i, n) == "" {
				continue
			}
			if r.Aspect != "" {
				r.Aspect += "^"
			}
			r.Aspect += at(i, n)
		}
	}
}

// separator is the component delimiter, or what never occurs.
func (w *walk) separator() string {
	if w.d.component == "" {
		return w.d.field
	}
	return w.d.component
}
