package main

import (
	"bytes"
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// assembly finds the parts of continued messages in one file. What is found
// is held back, in its order, from a part to the last that it waits for.
type assembly struct {
	put  func(finding)
	held []held
	open []openChain
}

// held is one finding that waits, with the bytes of a part.
type held struct {
	finding
	raw []byte
}

// openChain is a message of which the last part has not come.
type openChain struct {
	next    codec.Part // its Continues is what the next part says
	parts   []int      // in held
	repeats []int      // byte for byte one of the parts
}

// pass takes a finding that is no part.
func (a *assembly) pass(f finding) {
	a.held = append(a.held, held{finding: f})
	a.settle()
}

// add takes the finding of a message. It returns the bytes of all parts when
// the message is the last of them; then complete takes what they make.
func (a *assembly) add(f finding, part codec.Part, continued bool, raw []byte) [][]byte {
	if !continued {
		a.pass(f)
		return nil
	}
	at := len(a.held)
	a.held = append(a.held, held{f, bytes.Clone(raw)})
	if n := slices.IndexFunc(a.open, func(c openChain) bool { return a.holds(c, raw) }); n >= 0 {
		a.open[n].repeats = append(a.open[n].repeats, at)
		a.settle()
		return nil
	}
	chain := openChain{parts: []int{at}}
	if part.Continues != "" {
		next := codec.Part{Sender: part.Sender, Continues: part.Continues}
		n := slices.IndexFunc(a.open, func(c openChain) bool { return c.next == next })
		if n < 0 { // the beginning is not in the file
			a.settle()
			return nil
		}
		chain = a.open[n]
		chain.parts = append(chain.parts, at)
		a.open = slices.Delete(a.open, n, n+1)
	}
	chain.next = codec.Part{Sender: part.Sender, Continues: part.Pointer}
	a.open = slices.DeleteFunc(a.open, func(c openChain) bool { return c.next == chain.next }) // the pointer means another message now
	a.open = append(a.open, chain)
	if part.Pointer != "" {
		a.settle()
		return nil
	}
	var all [][]byte
	for _, n := range chain.parts {
		all = append(all, a.held[n].raw)
	}
	return all
}

func (a *assembly) holds(c openChain, raw []byte) bool {
	return slices.ContainsFunc(c.parts, func(n int) bool { return bytes.Equal(a.held[n].raw, raw) })
}

// complete puts what the parts make in the place of the last one; the others
// say nothing any more.
func (a *assembly) complete(whole finding) {
	end := len(a.open) - 1
	chain := a.open[end]
	a.open = a.open[:end]
	last := len(chain.parts) - 1
	for _, n := range slices.Concat(chain.parts[:last], chain.repeats) {
		if m := a.held[n].message; m != nil {
			m.Withhold()
		}
	}
	a.held[chain.parts[last]].finding = whole
	a.settle()
}

// maxHeld bounds what waits for a last part.
const maxHeld = 2000

// settle gives out what waits for nothing, or in vain.
func (a *assembly) settle() {
	if len(a.open) == 0 || len(a.held) >= maxHeld {
		a.flush()
	}
}

// flush gives out everything: the file is over.
func (a *assembly) flush() {
	for _, h := range a.held {
		a.put(h.finding)
	}
	a.held, a.open = nil, nil
}
