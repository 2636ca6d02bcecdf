package hl7_test

import (
	"context"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

// endless is a Conn on which the same block comes again and again.
type endless struct {
	block   []byte
	answers int
}

func (e *endless) Read(b []byte) (int, error)       { return copy(b, e.block), nil }
func (e *endless) Write(b []byte) (int, error)      { e.answers++; return len(b), nil }
func (e *endless) SetReadDeadline(time.Time) error  { return nil }
func (e *endless) SetWriteDeadline(time.Time) error { return nil }

// nothing is a Host that costs nothing.
type nothing struct{}

func (nothing) Receive(context.Context, codec.Delivery) error     { return nil }
func (nothing) Incomplete(context.Context, codec.Delivery, error) {}
func (nothing) Ready() error                                      { return nil }

// The messages of a benchmark are as long as a blood count.
func longMessage() []byte {
	m := []byte("MSH|^~\\&|Lyser|Lab|Host|LIS|20261123081500||ORU^R01^ORU_R01|m1|P|2.5.1|||NE|AL||UNICODE UTF-8\r")
	for range 40 {
		m = append(m, "OBX|1|NM|6690-2^WBC^LN||5.90|10*3/uL^^UCUM|4.0-10.0|N|||F|||20261123081400||op1\r"...)
	}
	return m
}

func BenchmarkSplit(b *testing.B) {
	block := framed(string(longMessage()))
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	split := hl7.Splitter(10 << 20)
	for b.Loop() {
		if n, token, err := split(block, false); n != len(block) || token == nil || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkSession(b *testing.B) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		b.Fatal(err)
	}
	block := framed(string(longMessage()))
	conn := &endless{block: block}
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Serve(b.Context(), conn, nothing{}); err != nil {
			b.Fatal(err)
		}
	}
	if conn.answers != b.N {
		b.Fatalf("%d answers to %d messages", conn.answers, b.N)
	}
}

// TestSessionAllocations keeps the cost of a conversation in sight: its state,
// and of the answer the buffer and the control id.
func TestSessionAllocations(t *testing.T) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn := &endless{block: framed(string(longMessage()))}
	got := testing.AllocsPerRun(100, func() {
		if err := p.Serve(t.Context(), conn, nothing{}); err != nil {
			t.Fatal(err)
		}
	})
	const pool = 2 // the race detector lets the pool of buffers forget
	if got > 6+pool {
		t.Errorf("got %v allocations, want at most 6", got)
	}
}
