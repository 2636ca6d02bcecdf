package astm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// receiving serves conn as the bridge does until it ends.
func receiving(t *testing.T, p codec.Protocol, conn codec.Conn, host codec.Host) {
	for {
		if err := p.Serve(t.Context(), conn, host); err != nil {
			return
		}
	}
}

// TestReceiptMeansStored: Send hears that all is acknowledged if and only if
// the store has taken the message, after any number of failures.
func TestReceiptMeansStored(t *testing.T) {
	for fails := range 8 {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var host codectest.Host
				for range fails {
					host.Answer(codectest.ErrStore)
				}
				ours, theirs := net.Pipe()
				defer ours.Close()
				defer theirs.Close()
				go receiving(t, with(), ours, &host)
				err := with().Send(t.Context(), theirs, numbered(3))
				synctest.Wait()
				stored, lost := len(host.Stored()), len(host.GivenUp())
				switch {
				case fails < 6 && (err != nil || stored != 1 || lost != 0):
					t.Errorf("Send = %v, stored %d, given up %d, want nil, 1, 0", err, stored, lost)
				case fails >= 6 && (!errors.Is(err, codec.ErrRefused) || stored != 0 || lost != 1):
					t.Errorf("Send = %v, stored %d, given up %d, want ErrRefused, 0, 1", err, stored, lost)
				}
			})
		})
	}
}

// faulty is a line that damages what is written to it.
type faulty struct {
	net.Conn
	random *rand.Rand
	rate   int // one write in so many
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.random.IntN(f.rate) > 0 {
		return f.Conn.Write(b)
	}
	damaged := bytes.Clone(b)
	at := f.random.IntN(len(b))
	switch {
	case f.random.IntN(4) == 0: // nothing arrives
		return len(b), nil
	case damaged[at] > ' ': // a bit of the text or the checksum
		damaged[at] ^= 1
	case len(b) == 1: // a reply becomes nonsense
		damaged[0] = 'x'
	default: // a control character gets lost
		damaged = append(damaged[:at], damaged[at+1:]...)
	}
	if _, err := f.Conn.Write(damaged); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestFaultyLine: over a line that damages frames and replies, with a store
// that fails now and then, every message that Send says was acknowledged is
// stored, and nothing is ever stored that was not sent: a whole message, or
// its first records when its transmission was given up.
func TestFaultyLine(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				var host codectest.Host
				for range 30 {
					if random.IntN(4) == 0 {
						host.Answer(codectest.ErrStore)
					} else {
						host.Answer(nil)
					}
				}
				ours, theirs := net.Pipe()
				defer ours.Close()
				defer theirs.Close()
				p := build(codec.Options{SendFrame: 30})
				go receiving(t, p, &faulty{ours, rand.New(rand.NewPCG(seed, 2)), 9}, &host)
				line := &faulty{theirs, rand.New(rand.NewPCG(seed, 3)), 9}
				for n := range 3 {
					raw := bytes.ReplaceAll(numbered(n+2), []byte("SX1"), fmt.Appendf(nil, "SX%d", n))
					deliver(t, p, line, raw)
					if !stored(&host, raw) {
						t.Fatalf("message %d was acknowledged and is not stored", n)
					}
				}
				for _, m := range host.Stored() {
					if bytes.HasSuffix(m, []byte("L|1|N\r")) {
						continue
					}
					sent := numbered(5)
					if n := bytes.Index(m, []byte("SX")); n >= 0 {
						sent = bytes.ReplaceAll(sent, []byte("SX1"), m[n:n+3])
					}
					if !bytes.HasPrefix(sent, m) || !bytes.HasSuffix(m, []byte("\r")) {
						t.Errorf("stored what was not sent: %q", m)
					}
				}
			})
		})
	}
}

// deliver sends until it is acknowledged, as the standard asks.
func deliver(t *testing.T, p codec.Protocol, line codec.Conn, raw []byte) {
	t.Helper()
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		err := p.Send(ctx, line, raw)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(10 * time.Second)
	}
	t.Fatal("200 attempts were not enough")
}

func stored(host *codectest.Host, raw []byte) bool {
	for _, m := range host.Stored() {
		if bytes.Equal(m, raw) {
			return true
		}
	}
	return false
}
