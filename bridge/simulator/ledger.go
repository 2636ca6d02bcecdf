package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Digest is the sha-256 of a message as it was sent: what custody calls it.
type Digest [sha256.Size]byte

// DigestOf is the digest of raw.
func DigestOf(raw []byte) Digest { return sha256.Sum256(raw) }

// ParseDigest reads the hexadecimal form.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return d, fmt.Errorf("digest of %d characters: sha-256 has %d", len(s), hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], []byte(s))
	return d, err
}

// String is lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Entry is what the ledger knows of one message.
type Entry struct {
	Digest         Digest
	Bytes          int
	Plays          int           // how often it was begun: more than once for a file without {n} in a loop
	Attempts       int           // how often it was sent
	Acknowledged   int           // how often the bridge's answer made Send say nil
	Rejected       int           // how often the bridge said that repeating will not help
	FirstSent      time.Time     // of the first attempt
	AcknowledgedAt time.Time     // of the last acknowledgement
	Latency        time.Duration // from the last frame to its acknowledgement, the last time
}

// Ledger is what instruments were told about their messages. It is safe for
// concurrent use; make it with [NewLedger].
type Ledger struct {
	mu        sync.Mutex
	entries   map[Digest]*Entry
	latencies latencies
	total     Totals
	start     time.Time
}

// Totals are the ledger's sums.
type Totals struct {
	Sent         int           `json:"sent"`         // messages begun
	Acknowledged int           `json:"acknowledged"` // by an answer of the bridge
	Rejected     int           `json:"rejected"`     // the bridge will never take them
	Unanswered   int           `json:"unanswered"`   // sent by a protocol that asks for no answer (HL7 NE/NE)
	Attempts     int           `json:"attempts"`     // transmissions
	Repeats      int           `json:"repeats"`      // transmissions beyond the first of each message
	Received     int           `json:"received"`     // messages from the bridge
	Connections  int           `json:"connections"`  // made
	Connected    int           `json:"connected"`    // open now
	Faults       map[Fault]int `json:"faults,omitempty"`
	Elapsed      time.Duration `json:"-"`
	Rate         float64       `json:"rate"` // acknowledged per second since the first message
	P50          time.Duration `json:"-"`    // acknowledgement latency
	P99          time.Duration `json:"-"`
	Max          time.Duration `json:"-"`
	Failure      string        `json:"failure,omitempty"` // the last one, without content
}

// Open is how many messages were begun and still want an acknowledgement.
func (t Totals) Open() int { return t.Sent - t.Acknowledged - t.Rejected - t.Unanswered }

// NewLedger is an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{entries: map[Digest]*Entry{}, total: Totals{Faults: map[Fault]int{}}}
}

// Totals are the sums up to now.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.total
	t.Repeats = t.Attempts - t.Sent
	t.Faults = make(map[Fault]int, len(l.total.Faults))
	maps.Copy(t.Faults, l.total.Faults)
	if !l.start.IsZero() {
		t.Elapsed = time.Since(l.start)
	}
	if t.Elapsed > 0 {
		t.Rate = float64(t.Acknowledged) / t.Elapsed.Seconds()
	}
	t.P50, t.P99, t.Max = l.latencies.at(0.50), l.latencies.at(0.99), l.latencies.max
	return t
}

// Entries are all messages, in the order in which they were begun.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Entry, 0, len(l.entries))
	for _, e := range l.entries {
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if c := a.FirstSent.Compare(b.FirstSent); c != 0 {
			return c
		}
		return slices.Compare(a.Digest[:], b.Digest[:])
	})
	return all
}

func (l *Ledger) change(f func(*Totals)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.total)
}

func (l *Ledger) begin(raw []byte) Digest {
	d := DigestOf(raw)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start = now
	}
	e := l.entries[d]
	if e == nil {
		e = &Entry{Digest: d, Bytes: len(raw), FirstSent: now}
		l.entries[d] = e
	}
	e.Plays++
	l.total.Sent++
	return d
}

func (l *Ledger) attempt(d Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[d].Attempts++
	l.total.Attempts++
}

func (l *Ledger) acknowledge(d Digest, latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[d]
	e.Acknowledged++
	e.AcknowledgedAt, e.Latency = time.Now(), latency
	l.total.Acknowledged++
	l.latencies.add(latency)
}

func (l *Ledger) reject(d Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[d].Rejected++
	l.total.Rejected++
}

func (l *Ledger) fault(f Fault)  { l.change(func(t *Totals) { t.Faults[f]++ }) }
func (l *Ledger) unanswer()      { l.change(func(t *Totals) { t.Unanswered++ }) }
func (l *Ledger) receive()       { l.change(func(t *Totals) { t.Received++ }) }
func (l *Ledger) connect()       { l.change(func(t *Totals) { t.Connections++; t.Connected++ }) }
func (l *Ledger) disconnect()    { l.change(func(t *Totals) { t.Connected-- }) }
func (l *Ledger) fail(err error) { l.change(func(t *Totals) { t.Failure = err.Error() }) }
