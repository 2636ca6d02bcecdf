package bridge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// Chains of several connections and senders do not touch each other, though
// the pointers are the same.
func TestPartsInterleaved(t *testing.T) {
	begin := func(sender, id, specimen string) string { return part(sender, id, "", "7", order(specimen)) }
	end := func(sender, id, v string) string { return part(sender, id, "7", "", value("T", v)) }
	t.Run("two senders, one connection", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("A", "1", "SA"), begin("B", "2", "SB"), end("A", "3", "1"), end("B", "4", "2"))
		j.want("part", "part", "result [1 3] SA:T=1", "result [2 4] SB:T=2")
	})
	t.Run("one sender, two connections", func(t *testing.T) {
		j := startJoins(t, partsLab)
		one, two := j.call("h1"), j.call("h1")
		j.accept(one, begin("A", "1", "S1"))
		j.accept(two, begin("A", "2", "S2"))
		j.accept(one, end("A", "3", "1"))
		j.accept(two, end("A", "4", "2"))
		j.want("part", "part", "result [1 3] S1:T=1", "result [2 4] S2:T=2")
	})
	t.Run("a connection that is new, one chain", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("A", "1", "S1"))
		j.accept(j.call("h1"), end("A", "2", "1"))
		j.want("part", "result [1 2] S1:T=1")
	})
	t.Run("a connection that is new, two chains", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("A", "1", "S1"))
		j.accept(j.call("h1"), begin("A", "2", "S2"))
		j.accept(j.call("h1"), end("A", "3", "1"))
		j.want("part", "part", "failed incomplete")
	})
	t.Run("two instruments", func(t *testing.T) {
		j := startJoins(t, partsLab+"  - {id: h2, listen: '127.0.0.1:0', protocol: auto}\n")
		j.accept(j.call("h1"), begin("A", "1", "S1"))
		j.accept(j.call("h2"), end("A", "2", "1"))
		j.want("part", "failed incomplete")
	})
	t.Run("the pointer means another message now", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		j.accept(p, begin("A", "1", "S1"), begin("A", "2", "S2"), end("A", "3", "2"))
		j.want("part", "part", "result [2 3] S2:T=2")
	})
	t.Run("repeated over a new connection, then continued there", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("A", "1", "S1"))
		j.accept(j.call("h1"), begin("A", "2", "S2"))
		j.accept(j.call("h1"), begin("A", "1", "S1"), end("A", "3", "1"))
		j.want("part", "part", "result [1 4] S1:T=1")
	})
	t.Run("the instrument goes back to the first, and forth", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		j.accept(p, begin("A", "1", "S1"), begin("A", "2", "S2"), begin("A", "1", "S1"), begin("A", "2", "S2"), end("A", "3", "2"))
		j.want("part", "part", "result [2 5] S2:T=2")
	})
	t.Run("the instrument goes back to the first", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		j.accept(p, begin("A", "1", "S1"), begin("A", "2", "S2"), begin("A", "1", "S1"), end("A", "3", "1"))
		j.want("part", "part", "result [1 4] S1:T=1")
	})
}

// What continues nothing that is known is kept and told, never joined to a
// guess.
func TestPartsAlone(t *testing.T) {
	j := startJoins(t, partsLab)
	p := j.call("h1")
	j.accept(p, part("A", "1", "p0", "p1", value("A", "1")), part("A", "2", "p1", "", value("B", "2")))
	j.want("failed incomplete", "failed incomplete")
	j.restart()
	j.accept(j.call("h1"), part("A", "3", "p1", "", value("B", "3")))
	j.want("failed incomplete", "failed incomplete", "failed incomplete")
	for _, d := range j.derived() {
		if f := d.failure; f.RawSequence == 0 || f.Parts != nil || !strings.Contains(f.Error, "dsc: separate") {
			t.Errorf("failed as %+v", f)
		}
	}
	if c := j.counters("h1"); c.Failed[subjects.ReasonIncomplete] != 1 {
		t.Errorf("counted %v since the restart, want 1 incomplete", c.Failed)
	}
}

// A chain goes on once: other bytes under the same pointer are of a message
// whose beginning was lost, and whose specimen nobody knows.
func TestPartsContinuedOnce(t *testing.T) {
	j := startJoins(t, partsLab)
	p := j.call("h1")
	last := part("A", "2", "1", "", value("B", "2"))
	j.accept(p, part("A", "1", "", "1", order("S1")), last, part("A", "3", "1", "", value("B", "9")), last)
	j.want("part", "result [1 2] S1:B=2", "failed incomplete")
}

// Parts that do not fit are not joined.
func TestPartsUnlike(t *testing.T) {
	j := startJoins(t, partsLab)
	p := j.call("h1")
	j.accept(p, part("A", "1", "", "1", order("S1")), strings.Replace(part("A", "2", "1", "", value("B", "2")), "ORU^R01", "OUL^R22", 1))
	j.want("part", "failed unparsable")
	var raw []byte
	for _, p := range j.in(subjects.StreamRaw) {
		raw = append(raw, p.Body...)
	}
	if id := subjects.FailedID(subjects.ParsedID("main", "h1", bridge.Digest(raw)), subjects.ReasonUnparsable); j.derived()[1].failure.ID != id {
		t.Errorf("failed under another id than it will have when it can be joined, want %s", id)
	}
	if f := j.derived()[1].failure; f.Field != 9 || !slices.Equal(f.Parts, []uint64{1, 2}) || !strings.Contains(f.Error, "part 2") {
		t.Errorf("failed as %+v", f)
	}
}

// With dsc: separate, and for the answers of an interactive query, every
// message is complete by itself.
func TestPartsSeparate(t *testing.T) {
	first, last := part("A", "1", "", "1", order("S1"), value("A", "1")), part("A", "2", "1", "", order("S1"), value("B", "2"))
	t.Run("option", func(t *testing.T) {
		j := startJoins(t, strings.Replace(partsLab, "protocol: hl7", "protocol: hl7, dsc: separate", 1))
		j.accept(j.call("h1"), first, last)
		j.want("result [] S1:A=1", "result [] S1:B=2")
		for _, p := range slices.Concat(j.in(subjects.StreamRaw), j.in(subjects.StreamParsed)) {
			if p.Header[subjects.HeaderParts] != "" || p.Header[subjects.HeaderPart] != "" {
				t.Errorf("%s has %v", p.Subject, p.Header)
			}
		}
	})
	t.Run("interactive", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), strings.Replace(first, "DSC|1|F", "DSC|1|I", 1))
		j.want("result [] S1:A=1")
	})
}
