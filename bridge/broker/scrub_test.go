package broker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// stored fills a folder with n raw messages and what was derived from them.
func stored(t *testing.T, n int) broker.Config {
	t.Helper()
	c := config(t)
	b := open(t, c)
	for i := range n {
		p := raw(i)
		p.Body = fmt.Appendf(nil, "H|\\^&|%d||xn1000\rL|1|N\r", i)
		p.Header[subjects.HeaderDigest] = bridge.Digest(p.Body)
		seq := publish(t, b, p).Sequence
		d := parsed(i)
		d.Header[subjects.HeaderRawSequence] = fmt.Sprint(seq)
		publish(t, b, d)
	}
	shut(t, b)
	return c
}

// block is the file of a stream's first block.
func block(c broker.Config, stream string) string {
	return filepath.Join(c.Data, "jetstream", "$G", "streams", stream, "msgs", "1.blk")
}

func index(c broker.Config, stream string) string {
	return filepath.Join(filepath.Dir(block(c, stream)), "index.db")
}

// flip changes one bit in the body of the message that holds mark.
func flip(t *testing.T, file, mark string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, []byte(mark))
	if at < 0 {
		t.Fatalf("%s does not hold the message", file)
	}
	text[at+len(mark)] ^= 1
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cutOff(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()*3/4); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// Whatever the disk does to the store, the bus says so when it opens and names
// the stream: as damaged, as holes, or as an end that is gone. The server alone
// calls every one of these stores healthy.
func TestRotIsNoticed(t *testing.T) {
	const n = 40
	for _, stream := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		for name, damage := range map[string]func(t *testing.T, c broker.Config){
			"bit": func(t *testing.T, c broker.Config) { flip(t, block(c, stream), "id-17\r\n") },
			"bit, no index": func(t *testing.T, c broker.Config) {
				flip(t, block(c, stream), "id-17\r\n")
				remove(t, index(c, stream))
			},
			"cut off": func(t *testing.T, c broker.Config) { cutOff(t, block(c, stream)) },
			"cut off, no index": func(t *testing.T, c broker.Config) {
				cutOff(t, block(c, stream))
				remove(t, index(c, stream))
			},
		} {
			t.Run(stream+" "+name, func(t *testing.T) {
				t.Parallel()
				var l logBuffer
				c := stored(t, n)
				damage(t, c)
				c.Log = l.logger(slog.LevelError)
				b := open(t, c)
				s := stats(b, stream)
				if missing := n - readable(t, b, stream); missing == 0 || s.Damage.Messages+s.Deleted+int(s.Lost) < missing {
					t.Errorf("%d messages are missing, the statistics say %+v", missing, s)
				}
				if got := l.String(); !strings.Contains(got, "stream="+stream) || !strings.Contains(got, "level=ERROR") {
					t.Errorf("the log says %q", got)
				}
			})
		}
	}
}

// readable counts the messages that can be read.
func readable(t *testing.T, b *broker.Bus, stream string) int {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq; seq++ {
		if _, err := s.GetMsg(t.Context(), seq); err == nil {
			n++
		}
	}
	return n
}

func stats(b *broker.Bus, stream string) broker.StreamStats {
	for _, s := range b.Stats() {
		if s.Stream == stream {
			return s
		}
	}
	return broker.StreamStats{}
}

// What is well is said to be well.
func TestSoundStoreIsQuiet(t *testing.T) {
	var l logBuffer
	c := stored(t, 20)
	c.Log = l.logger(slog.LevelWarn)
	for range 2 {
		b := open(t, c)
		if s := stats(b, subjects.StreamRaw); s.Damage != (broker.Damage{}) || s.Lost != 0 || s.Messages != 20 {
			t.Errorf("got %+v", s)
		}
		shut(t, b)
	}
	if l.String() != "" {
		t.Errorf("the log says %q", l.String())
	}
}

// An end that is gone stays known: the numbers are given again, so nothing else
// would tell later. It is forgotten when the operator removes the marks.
func TestLostEndStaysKnown(t *testing.T) {
	var l logBuffer
	c := stored(t, 40)
	cutOff(t, block(c, subjects.StreamRaw))
	remove(t, index(c, subjects.StreamRaw))
	c.Log = l.logger(slog.LevelError)
	var lost uint64
	for i := range 3 {
		b := open(t, c)
		s := stats(b, subjects.StreamRaw)
		if i == 0 {
			lost = s.Lost
		}
		if s.Lost == 0 || s.Lost != lost {
			t.Errorf("start %d: lost %d, want %d", i, s.Lost, lost)
		}
		if n := strings.Count(l.String(), "end of a stream is gone"); n != i+1 {
			t.Errorf("start %d: said %d times", i, n)
		}
		for n := range 15 {
			publish(t, b, raw(1000+100*i+n))
		}
		shut(t, b)
	}
	remove(t, filepath.Join(c.Data, "assaybus.mark"))
	if s := stats(open(t, c), subjects.StreamRaw); s.Lost != 0 {
		t.Errorf("lost %d after the marks were removed", s.Lost)
	}
}

// Without marks LAB_PARSED still vouches for what LAB_RAW had.
func TestParsedVouchesForRaw(t *testing.T) {
	c := stored(t, 40)
	cutOff(t, block(c, subjects.StreamRaw))
	remove(t, index(c, subjects.StreamRaw))
	remove(t, filepath.Join(c.Data, "assaybus.mark"))
	b := open(t, c)
	if s := stats(b, subjects.StreamRaw); s.Lost == 0 || s.LastSeq+s.Lost != 40 {
		t.Errorf("got %+v, want the rest of 40 lost", s)
	}
}

// A damaged file of marks is no mark, and no reason not to start.
func TestMarksUnreadable(t *testing.T) {
	for _, text := range []string{"", "null", "{", `{"LAB_RAW": 7}`} {
		c := stored(t, 3)
		if err := os.WriteFile(filepath.Join(c.Data, "assaybus.mark"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := stats(open(t, c), subjects.StreamRaw); s.Lost != 0 || s.Messages != 3 {
			t.Errorf("marks %q: got %+v", text, s)
		}
	}
}

// The bytes of a readable message are held against its digest: among the
// newest at the start, and everywhere by the slow round.
func TestDigestIsHeldAgainstBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		more int // messages behind the damaged one
	}{{"newest", 3}, {"slow round", 1000}} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t)
			b := open(t, c)
			for i := range 1 + tt.more {
				p := raw(i)
				p.Header[subjects.HeaderDigest] = bridge.Digest(p.Body)
				if i == 0 {
					p.Header[subjects.HeaderDigest] = bridge.Digest([]byte("something else"))
				}
				publish(t, b, p)
			}
			shut(t, b)
			b = open(t, c)
			want := broker.Damage{Messages: 1, First: 1, Last: 1}
			if tt.more >= 1000 && stats(b, subjects.StreamRaw).Damage == want {
				t.Error("Open has read more than the newest messages")
			}
			eventually(t, 5*time.Second, "damage found", func() bool { return stats(b, subjects.StreamRaw).Damage == want })
		})
	}
}

// The largest message that fits is read back like any other.
func TestLargestMessageIsReadBack(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelWarn)
	b := open(t, c)
	p := raw(1)
	p.Body = bytes.Repeat([]byte{'x'}, bridge.MaxMessage)
	p.Header[subjects.HeaderDigest] = bridge.Digest([]byte("something else"))
	publish(t, b, p)
	shut(t, b)
	b = open(t, c) // which finds it at once, or its slow round does on a busy machine
	want := broker.Damage{Messages: 1, First: 1, Last: 1}
	eventually(t, time.Minute, "damage found", func() bool { return stats(b, subjects.StreamRaw).Damage == want })
	if said := l.String(); !strings.Contains(said, "LAB_RAW") {
		t.Errorf("the log does not name the stream: %q", said)
	}
}

// An external bus that does not let us read is said once; it is no damage, and
// messages are stored all the same.
func TestReadingBackNotPermitted(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "lab", Password: "lab", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.MSG.GET.>"}},
		}}}
	})
	var l logBuffer
	c := external(s)
	c.URL = "nats://lab:lab@" + s.Addr().String()
	c.Log = l.logger(slog.LevelWarn)
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	b = open(t, c)
	eventually(t, time.Minute, "warning", func() bool { return strings.Contains(l.String(), "cannot be read back") })
	publish(t, b, raw(2))
	if got := stats(b, subjects.StreamRaw); got.Damage.Messages != 0 || strings.Contains(l.String(), "are damaged") {
		t.Errorf("got %+v; the log says %q", got, l.String())
	}
}
