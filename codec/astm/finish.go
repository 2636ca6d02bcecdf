package astm

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// finish draws what only the whole message tells.
func (w *walk) finish() *codec.Message {
	m := w.m
	if !w.ended {
		w.note(0, 0, codec.WarnUnterminated)
	}
	if w.calibration() {
		m.Results = nil
		return m
	}
	w.failOrders()
	for rows := range w.groups() {
		markSupplementary(rows, w.unsaid)
		w.failWords(rows)
		w.aspects(rows)
	}
	m.Kind = w.kind()
	return m
}

// groups are the results by order; those without one form groups of their own.
func (w *walk) groups() func(func([]codec.Result) bool) {
	rows := w.m.Results
	return func(yield func([]codec.Result) bool) {
		for from := 0; from < len(rows); {
			to := from + 1
			for to < len(rows) && rows[to].Order == rows[from].Order {
				to++
			}
			if !yield(rows[from:to]) {
				return
			}
			from = to
		}
	}
}

// failOrders makes a result of status X of every test of an order that came
// back with X, "cannot be done", and without any result (LIS02-A2 §8.4.26;
// Abbott m2000). The reason is in the comments. A cancellation that the host
// asked for (action code C) is none.
func (w *walk) failOrders() {
	m := w.m
	have := len(m.Results)
	answered := make([]bool, len(m.Orders))
	for i := range m.Results {
		if order := m.Results[i].Order; order != nil {
			answered[*order] = true
		}
	}
	for i := range m.Orders {
		o := &m.Orders[i]
		if o.Status != "X" || o.Action == "C" || answered[i] {
			continue
		}
		tests := o.Tests
		if len(tests) == 0 {
			tests = []string{""}
		}
		order := i
		for _, test := range tests {
			m.Results = append(m.Results, codec.Result{
				Specimen: o.Specimen, InstrumentSpecimen: o.InstrumentSpecimen, Code: test, Status: "X",
				Comments: o.Comments, Patient: o.Patient, Order: &order, Record: o.Record,
			})
		}
	}
	if len(m.Results) > have {
		slices.SortStableFunc(m.Results, func(a, b codec.Result) int { return a.Record - b.Record })
	}
}

// failWords gives status X to final results whose text says that there is
// none (GeneXpert sends ERROR with status F). The reason may stand behind a
// later row of the same test that has no value; such rows fail with it.
func (w *walk) failWords(rows []codec.Result) {
	for i := range rows {
		r := &rows[i]
		if r.Supplementary || r.Status != "F" || r.Number != nil || !errorWord(w.firstOfValue(r.Value)) {
			continue
		}
		r.Status = "X"
		for j := i + 1; j < len(rows) && rows[j].Code == r.Code && rows[j].Value == "" && !rows[j].Supplementary; j++ {
			if rows[j].Status == "F" {
				rows[j].Status = "X"
			}
			if len(r.Comments) == 0 {
				r.Comments = rows[j].Comments
			}
		}
	}
}

func (w *walk) firstOfValue(value string) string {
	for w.d.component != "" && strings.HasPrefix(value, w.d.component) {
		value = value[len(w.d.component):]
	}
	first, _ := cutAt(value, w.d.component)
	return strings.TrimSpace(first)
}

// errorWord reports the words by which instruments say in place of a value
// that a test failed, in the languages that Cepheid's GeneXpert speaks.
func errorWord(text string) bool {
	if len(text) > 24 {
		return false
	}
	switch strings.ToUpper(text) {
	case "ERROR", "INVALID", "NO RESULT",
		"ERREUR", "NON VALIDE", "INVALIDE", "PAS DE RÉSULTAT", "PAS DE RESULTAT", "AUCUN RÉSULTAT", "AUCUN RESULTAT",
		"FEHLER", "UNGÜLTIG", "KEIN ERGEBNIS",
		"NO VÁLIDO", "NO VALIDO", "INVÁLIDO", "INVALIDO", "NO HAY RESULTADO", "SIN RESULTADO", "SIN RESULTADOS",
		"ERRO", "SEM RESULTADO", "NENHUM RESULTADO",
		"ERRORE", "NON VALIDO", "NESSUN RISULTATO":
		return true
	}
	return false
}

// kind is the last token of the message's subject.
func (w *walk) kind() string {
	m := w.m
	switch {
	case len(m.Results) > 0:
		if w.allControls() {
			return codec.KindQC
		}
		return codec.KindResult
	case len(m.Queries) > 0:
		return codec.KindQuery
	case w.control && len(m.Orders) > 0:
		return codec.KindQC
	case len(m.Orders) > 0:
		return codec.KindOrder
	}
	return codec.KindOther
}

// allControls reports that every result is one of quality control. Where
// patients' results are among them, the message is theirs and the orders of
// the controls have the role Q.
func (w *walk) allControls() bool {
	if w.control {
		return true
	}
	return !slices.ContainsFunc(w.m.Results, func(r codec.Result) bool {
		return r.Order == nil || w.m.Orders[*r.Order].Role != "Q"
	})
}
