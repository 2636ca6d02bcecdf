package simulator

// Verdict compares what instruments were told with what a stream holds.
type Verdict struct {
	Acknowledged int      // different messages acknowledged at least once
	Stored       int      // of those, how many the stream has
	Missing      []Digest // acknowledged and not stored: lost
	Doubled      []Digest // stored more often than acknowledgements and plays explain
	Foreign      []Digest // stored and never sent as such: incomplete, or another's
}

// Lost reports whether custody was broken.
func (v Verdict) Lost() bool { return len(v.Missing) > 0 }

// Verify compares the entries of a ledger with how often each digest is
// stored. A message that consumers must see once per play is doubled when it
// is stored more often than it was played; a stream that archives every
// reception (raw) has repeats by design, so look only at Missing there.
// A message that was not acknowledged may be stored or not. Foreign has no
// order.
func Verify(entries []Entry, stored map[Digest]int) Verdict {
	var v Verdict
	known := make(map[Digest]bool, len(entries))
	for _, e := range entries {
		known[e.Digest] = true
		n := stored[e.Digest]
		if n > e.Plays {
			v.Doubled = append(v.Doubled, e.Digest)
		}
		if e.Acknowledged == 0 {
			continue
		}
		v.Acknowledged++
		if n == 0 {
			v.Missing = append(v.Missing, e.Digest)
			continue
		}
		v.Stored++
	}
	for d := range stored {
		if !known[d] {
			v.Foreign = append(v.Foreign, d)
		}
	}
	return v
}
