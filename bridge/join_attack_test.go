package bridge_test

import (
	"fmt"
	"testing"

	"github.com/assaybus/assaybus/bridge"
)

// Parts that are numbered within their message, such as MSH-10 1, 2, 3 without
// a time, have the same bytes in messages of different specimens. A value must
// never come to the other's specimen. What is published of a part, which says
// nothing, is published of its second reception no more.
func TestPartsOfTheSameBytes(t *testing.T) {
	first := func(specimen string) string { return part("A", "1", "", "1", order(specimen)) }
	middle := part("A", "2", "1", "2", value("M", "0"))
	last := func(v string) string { return part("A", "3", "2", "", value("T", v)) }
	t.Run("two connections", func(t *testing.T) {
		j := startJoins(t, partsLab)
		one, two := j.call("h1"), j.call("h1")
		j.accept(one, first("S1"), middle)
		j.accept(two, first("S2"), middle, last("2"))
		j.accept(one, last("1"))
		j.want("part", "part", "part", "result [3 4 5] S2:M=0 S2:T=2", "result [1 2 6] S1:M=0 S1:T=1")
	})
	t.Run("one after the other on one", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		j.accept(p, first("S1"), middle, last("1"), first("S2"), middle, last("2"))
		j.want("part", "part", "result [1 2 3] S1:M=0 S1:T=1", "part", "result [4 5 6] S2:M=0 S2:T=2")
	})
	t.Run("the beginning of the second was never here", func(t *testing.T) {
		j := startJoins(t, partsLab)
		one, two := j.call("h1"), j.call("h1")
		j.accept(one, first("S1"))
		j.accept(two, part("A", "9", "", "", order("S9"), value("X", "1")), middle, last("2"))
		j.want("part", "result [] S9:X=1", "failed incomplete", "failed incomplete")
	})
	t.Run("one pointer for all parts, a repeat", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		again := part("A", "2", "1", "1", value("M", "0"))
		j.accept(p, first("S1"), again, again, part("A", "3", "1", "", value("T", "1")))
		j.want("part", "part", "result [1 2 4] S1:M=0 S1:T=1")
	})
}

// A part continues a chain of another connection only where the instrument
// provably goes on over a new one.
func TestPartsOfAnotherConnection(t *testing.T) {
	begin := func(id, specimen string) string { return part("A", id, "", "7", order(specimen)) }
	end := func(id, v string) string { return part("A", id, "7", "", value("T", v)) }
	whole := part("A", "5", "", "", order("S5"), value("W", "5"))
	t.Run("not the first message of its connection", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("1", "S1"))
		j.accept(j.call("h1"), whole, end("2", "2"))
		j.want("part", "result [] S5:W=5", "failed incomplete")
	})
	t.Run("the other connection went on with another message", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("1", "S1"), whole)
		j.accept(j.call("h1"), end("2", "2"))
		j.want("part", "result [] S5:W=5", "failed incomplete")
	})
	t.Run("the other connection began two under the pointer", func(t *testing.T) {
		j := startJoins(t, partsLab)
		j.accept(j.call("h1"), begin("1", "S1"), begin("2", "S2"))
		j.accept(j.call("h1"), end("3", "2"))
		j.want("part", "part", "failed incomplete")
	})
	t.Run("the own chain was given up for others", func(t *testing.T) {
		j := startJoins(t, partsLab)
		one, two := j.call("h1"), j.call("h1")
		j.accept(one, begin("1", "S1"))
		for n := range bridge.MaxChains - 1 {
			j.accept(two, part("B", fmt.Sprint("b", n), "", fmt.Sprint("b", n), order("SB")))
		}
		j.accept(two, begin("2", "S2"))
		j.accept(one, end("3", "1"))
		j.accept(j.call("h1"), end("4", "2"))
		got := j.outcomes()
		for _, outcome := range got[len(got)-2:] {
			if outcome != "failed incomplete" && outcome != "alarm [1]" {
				t.Errorf("a part of a chain that was given up is %q", outcome)
			}
		}
	})
}

// What was given up in time leaves its pointer ambiguous, also behind a
// restart.
func TestPartsGivenUpStayAmbiguous(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			inBubble(t, func(b *bubble) {
				b.send(part("A", "1", "", "7", order("S1")))
				b.wait(bridge.PartTimeout + 2*bridge.PartTimeout/100)
				b.send(part("A", "2", "", "7", order("S2"))) // of another device behind the same address
				if restart {
					b.end()
					b.begin()
				}
				b.send(part("A", "3", "7", "", value("T", "1"))) // of the first
				b.want("part", "alarm [1]", "part", "failed incomplete")
			})
		})
	}
}
