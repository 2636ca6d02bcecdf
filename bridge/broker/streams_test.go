package broker_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

func stream(t testing.TB, b *broker.Bus, name string) *jetstream.StreamInfo {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo()
}

func TestStreamsCreated(t *testing.T) {
	c := config(t)
	c.ParsedMaxAge = 5 * time.Minute
	b := open(t, c)
	for name, want := range map[string]struct {
		subjects []string
		discard  jetstream.DiscardPolicy
		persist  jetstream.PersistModeType
		age, dup time.Duration
		per      int64
		deny     bool
	}{
		subjects.StreamRaw:    {[]string{"lab.raw.>"}, jetstream.DiscardNew, jetstream.DefaultPersistMode, 0, 10 * time.Minute, -1, true},
		subjects.StreamParsed: {[]string{"lab.parsed.>", "lab.failed.>"}, jetstream.DiscardNew, jetstream.DefaultPersistMode, 5 * time.Minute, 5 * time.Minute, -1, true},
		subjects.StreamLink:   {[]string{"lab.link.>"}, jetstream.DiscardOld, jetstream.AsyncPersistMode, 0, 2 * time.Minute, 100, false},
		subjects.StreamOpen:   {[]string{"lab.open.>", "lab.state.>"}, jetstream.DiscardNew, jetstream.DefaultPersistMode, 0, 2 * time.Minute, 1, false},
	} {
		got := stream(t, b, name).Config
		if strings.Join(got.Subjects, " ") != strings.Join(want.subjects, " ") {
			t.Errorf("%s: subjects %v", name, got.Subjects)
		}
		if got.Discard != want.discard || got.PersistMode != want.persist || got.MaxAge != want.age ||
			got.Duplicates != want.dup || got.MaxMsgsPerSubject != want.per || got.DenyDelete != want.deny {
			t.Errorf("%s: got %+v", name, got)
		}
		if got.Storage != jetstream.FileStorage || got.Retention != jetstream.LimitsPolicy || got.MaxMsgs != -1 ||
			got.MaxBytes <= 0 || got.Compression != jetstream.S2Compression || !got.AllowDirect || got.Replicas != 1 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// A stream that is there with a setting that loses data stops the program; the
// error names stream, setting, cost and command.
func TestStreamRefused(t *testing.T) {
	for name, row := range map[string]struct {
		stream string
		edit   func(*jetstream.StreamConfig)
		words  []string
	}{
		"discard old":     {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, []string{"discard old", "delete"}},
		"parsed too":      {subjects.StreamParsed, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, []string{"discard old"}},
		"interest":        {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, []string{"retention"}},
		"work queue":      {subjects.StreamParsed, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, []string{"retention"}},
		"link work queue": {subjects.StreamLink, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, []string{"retention"}},
		"wide subjects":   {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.Subjects = []string{"lab.raw.>", "labsvc.>"} }, []string{"subjects", "lab.raw.>"}},
		"narrow subjects": {subjects.StreamParsed, func(c *jetstream.StreamConfig) { c.Subjects = []string{"lab.parsed.>"} }, []string{"subjects", "lab.failed.>"}},
		"count":           {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 }, []string{"max_msgs"}},
		"per subject":     {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 10 }, []string{"max_msgs_per_subject"}},
		"async":           {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, []string{"persist_mode async", "crash"}},
		"no ack":          {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.NoAck = true }, []string{"no_ack"}},
		"sources":         {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "OTHER"}} }, []string{"sources"}},
		"mirror": {subjects.StreamRaw, func(c *jetstream.StreamConfig) {
			c.Mirror, c.Subjects, c.Duplicates = &jetstream.StreamSource{Name: "OTHER"}, nil, 0
		}, []string{"mirror"}},
		"transform": {subjects.StreamRaw, func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "lab.raw.>", Destination: "other.>"}
		}, []string{"subject_transform"}},
		"counter": {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.AllowMsgCounter, c.Discard = true, jetstream.DiscardOld }, []string{"allow_msg_counter"}},
		"sealed":  {subjects.StreamRaw, func(c *jetstream.StreamConfig) { c.Sealed = true }, []string{"sealed"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			b := open(t, c)
			conf := stream(t, b, row.stream).Config
			js := b.JetStream()
			if conf.Metadata = nil; !strings.Contains(name, "seal") {
				if err := js.DeleteStream(t.Context(), row.stream); err != nil {
					t.Fatal(err)
				}
				conf.DenyDelete, conf.AllowAtomicPublish = false, false // some of the settings exclude them
				row.edit(&conf)
				if _, err := js.CreateStream(t.Context(), conf); err != nil {
					t.Fatal(err)
				}
			} else if row.edit(&conf); true { // only an existing stream can be sealed
				if _, err := js.UpdateStream(t.Context(), conf); err != nil {
					t.Fatal(err)
				}
			}
			shut(t, b)
			refused(t, c, append(row.words, row.stream, "nats stream")...)
		})
	}
}

func TestStreamLimitsFollowConfiguration(t *testing.T) {
	c := config(t)
	c.RawMaxBytes, c.ParsedMaxBytes = 150<<20, 20<<20
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)

	c.RawMaxBytes, c.ParsedMaxBytes = 20<<20, 150<<20 // the room moves from one to the other
	c.RawMaxAge, c.DedupeWindow = 48*time.Hour, time.Minute
	b = open(t, c)
	got := stream(t, b, subjects.StreamRaw).Config
	if got.MaxBytes != 20<<20 || got.MaxAge != 48*time.Hour || got.Duplicates != time.Minute {
		t.Errorf("raw: got %d bytes, %v, window %v", got.MaxBytes, got.MaxAge, got.Duplicates)
	}
	if got := stream(t, b, subjects.StreamParsed).Config.MaxBytes; got != 150<<20 {
		t.Errorf("parsed: got %d bytes", got)
	}
	if got := messages(t, b, subjects.StreamRaw); got != 1 {
		t.Errorf("got %d messages, want the one stored", got)
	}
}

// A configuration that would delete what is stored changes nothing and is said.
func TestStreamLimitsNeverDelete(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelWarn)
	b := open(t, c)
	p := raw(1)
	p.Body = make([]byte, 100<<10)
	publish(t, b, p)
	shut(t, b)

	c.RawMaxBytes = 10 << 10
	b = open(t, c)
	if got := stream(t, b, subjects.StreamRaw); got.State.Msgs != 1 || got.Config.MaxBytes < 100<<10 {
		t.Errorf("got %d messages, limit %d bytes", got.State.Msgs, got.Config.MaxBytes)
	}
	if got := l.String(); !strings.Contains(got, "LAB_RAW") || !strings.Contains(got, "max_bytes") {
		t.Errorf("the log says %q", got)
	}
}

func TestMerge(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		stream     string
		have, want time.Duration // age
		oldest     time.Duration // of a stored message; 0 = none
		age        time.Duration // that results
		note       string
	}{
		"longer":            {subjects.StreamRaw, day, 30 * day, 12 * time.Hour, 30 * day, ""},
		"for ever":          {subjects.StreamRaw, day, 0, 12 * time.Hour, 0, ""},
		"shorter, empty":    {subjects.StreamRaw, 0, day, 0, day, ""},
		"shorter, all new":  {subjects.StreamRaw, 0, day, time.Hour, day, ""},
		"shorter, some old": {subjects.StreamRaw, 0, day, 2 * day, 0, "--max-age=24h0m0s"},
		"30 to 7 days":      {subjects.StreamParsed, 30 * day, 7 * day, 20 * day, 30 * day, "nats stream edit LAB_PARSED"},
		"link is no store":  {subjects.StreamLink, 30 * day, 7 * day, 20 * day, 7 * day, ""},
	} {
		t.Run(name, func(t *testing.T) {
			info := &jetstream.StreamInfo{TimeStamp: now, Config: jetstream.StreamConfig{MaxAge: tt.have, MaxBytes: 1000, Replicas: 3}}
			if tt.oldest > 0 {
				info.State = jetstream.StreamState{Msgs: 1, Bytes: 400, FirstTime: now.Add(-tt.oldest)}
			}
			want := jetstream.StreamConfig{Name: tt.stream, MaxAge: tt.want, MaxBytes: 500, Replicas: 1, Duplicates: time.Hour, DenyDelete: true}
			got, notes, changed := broker.Merge(info, want)
			if got.MaxAge != tt.age || got.MaxBytes != 500 || got.Replicas != 3 || !got.DenyDelete || !changed {
				t.Errorf("got %+v, changed %v", got, changed)
			}
			if got := strings.Join(notes, "\n"); !strings.Contains(got, tt.note) || !strings.Contains(got, "3 copies") || (tt.note == "") != (len(notes) == 1) {
				t.Errorf("notes: got %q, want %q", got, tt.note)
			}
		})
	}
}

// Copies are not compressed (TestClusterKilledTwice), nor are those of a stream
// that has more of them than configured; a single one is.
func TestMergeCompression(t *testing.T) {
	for _, tt := range []struct {
		have, want int // copies
		was, is    jetstream.StoreCompression
	}{
		{1, 1, jetstream.NoCompression, jetstream.S2Compression},
		{1, 3, jetstream.S2Compression, jetstream.NoCompression},
		{3, 3, jetstream.S2Compression, jetstream.NoCompression},
		{3, 1, jetstream.S2Compression, jetstream.NoCompression},
	} {
		info := &jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: tt.have, Compression: tt.was}}
		got, _, changed := broker.Merge(info, jetstream.StreamConfig{Name: subjects.StreamRaw, Replicas: tt.want})
		if got.Compression != tt.is || !changed {
			t.Errorf("%d to %d copies: compression %v, changed %v", tt.have, tt.want, got.Compression, changed)
		}
	}
}

// A store that shrank below what the streams reserve still opens.
func TestStoreLimitShrinks(t *testing.T) {
	c := config(t)
	c.StoreMax = 1 << 30
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	c.StoreMax = 100 << 20
	b = open(t, c)
	if got := stream(t, b, subjects.StreamRaw).Config.MaxBytes; got != 100<<20/10*6 {
		t.Errorf("raw limit: got %d, want 60 %% of 100 MiB", got)
	}
	if got := messages(t, b, subjects.StreamRaw); got != 1 {
		t.Errorf("got %d messages, want 1", got)
	}
}

func TestStreamLimitsOverStore(t *testing.T) {
	c := config(t)
	c.StoreMax, c.RawMaxBytes = 100<<20, 200<<20
	refused(t, c, "ASSAYBUS_STORE_MAX", subjects.StreamRaw)
}

// Data of a stream that the server did not recover: never an empty stream over it.
func TestFolderWithLostStream(t *testing.T) {
	for _, file := range []string{"meta.inf", "meta.sum"} {
		t.Run(file, func(t *testing.T) {
			c := config(t)
			b := open(t, c)
			publish(t, b, raw(1))
			shut(t, b)
			folder := filepath.Join(c.Data, "jetstream", "$G", "streams", subjects.StreamRaw)
			meta := filepath.Join(folder, file)
			good, err := os.ReadFile(meta)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(meta, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, c, folder, subjects.StreamRaw, "did not recover", "restore")
			if err := os.WriteFile(meta, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := messages(t, open(t, c), subjects.StreamRaw); got != 1 {
				t.Errorf("after repair: got %d messages, want 1", got)
			}
		})
	}
}

// The link stream is not synced: a power cut may leave it without its
// description. It begins anew; messages are served and nothing else is touched.
func TestLostLinkStreamBeginsAnew(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelWarn)
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	folder := filepath.Join(c.Data, "jetstream", "$G", "streams", subjects.StreamLink)
	for range 2 { // the second rest replaces the first
		if err := os.WriteFile(filepath.Join(folder, "meta.inf"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b = open(t, c)
		if got := messages(t, b, subjects.StreamRaw); got != 1 {
			t.Errorf("got %d raw messages, want 1", got)
		}
		if got := messages(t, b, subjects.StreamLink); got != 0 {
			t.Errorf("got %d link events, want none", got)
		}
		shut(t, b)
	}
	rest := filepath.Join(c.Data, subjects.StreamLink+".unrecovered")
	if _, err := os.Stat(rest); err != nil || !strings.Contains(l.String(), rest) {
		t.Errorf("%v; the rest must be kept and named, the log says %q", err, l.String())
	}
}

// A stream of a newer server's store is not touched.
func TestStoreOfNewerVersion(t *testing.T) {
	c := config(t)
	b := open(t, c)
	conf := stream(t, b, subjects.StreamParsed).Config
	shut(t, b)
	writeMeta(t, c, conf.Name, func(m map[string]any) {
		m["metadata"] = map[string]string{"_nats.req.level": "99"}
	})
	refused(t, c, subjects.StreamParsed, "newer version")
}

// A protection that somebody took away comes back.
func TestDenyDeleteRestored(t *testing.T) {
	c := config(t)
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	writeMeta(t, c, subjects.StreamRaw, func(m map[string]any) { m["deny_delete"] = false })
	b = open(t, c)
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a raw message could be deleted")
	}
}

// Numbers missing in the middle of a stream that deletes nothing: as after a
// block the disk damaged. A purge by subject makes the same hole.
func TestBitRotAlarm(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelError)
	b := open(t, c)
	publish(t, b, raw(1))
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	p := raw(9)
	p.Subject = subjects.Raw("main", "other")
	publish(t, b, p)
	p.ID, p.Subject = "10", subjects.Raw("main", "last")
	publish(t, b, p)
	if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.Raw("main", "other"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "statistics show the hole", func() bool {
		for _, s := range b.Stats() {
			if s.Stream == subjects.StreamRaw {
				return s.Deleted == 1
			}
		}
		return false
	})
	shut(t, b)
	open(t, c)
	if got := l.String(); !strings.Contains(got, "lost messages") || !strings.Contains(got, "missing=1") || !strings.Contains(got, subjects.StreamRaw) {
		t.Errorf("the log says %q", got)
	}
}
