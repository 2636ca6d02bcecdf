package codec_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

func TestTimestamp(t *testing.T) {
	harare := time.FixedZone("CAT", 2*60*60)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text string
		loc  *time.Location
		want string
		ok   bool
	}{
		{"2026", harare, "2026", true},
		{"202611", harare, "2026-11", true},
		{"20261123", harare, "2026-11-23", true},
		{"2026112308", harare, "2026-11-23T08:00:00+02:00", true},
		{"202611230836", harare, "2026-11-23T08:36:00+02:00", true},
		{"20261123083615", harare, "2026-11-23T08:36:15+02:00", true},
		{"20261123083615", nil, "2026-11-23T08:36:15Z", true},
		{"20261123083615.25", harare, "2026-11-23T08:36:15.25+02:00", true},
		{"20261123083615.123456789123", nil, "2026-11-23T08:36:15.123456789Z", true},
		{"20261123083615+0530", harare, "2026-11-23T08:36:15+05:30", true},
		{"20261123083615-05:00", harare, "2026-11-23T08:36:15-05:00", true},
		{"20261123083615.1-0500", harare, "2026-11-23T08:36:15.1-05:00", true},
		{"202611230836-0500", harare, "2026-11-23T08:36:00-05:00", true},
		{"20261123083615Z", harare, "2026-11-23T08:36:15Z", true},
		{"20261123 083615", harare, "2026-11-23T08:36:15+02:00", true},
		{"20261123+0200", harare, "2026-11-23", true},
		{"20261123-0200", harare, "2026-11-23", true},
		{"2026-11-23", harare, "2026-11-23", true},
		{"2026-11-23 08:36:15", harare, "2026-11-23T08:36:15+02:00", true},
		{"2026-11-23 08:36", harare, "2026-11-23T08:36:00+02:00", true},
		{"2026-11-23T08:36:15+01:00", harare, "2026-11-23T08:36:15+01:00", true},
		{"2026-11-23T08:36:15-01:00", harare, "2026-11-23T08:36:15-01:00", true},
		{"2026/11/23", harare, "2026-11-23", true},
		{"  20261123  ", harare, "2026-11-23", true},
		{"20240229", harare, "2024-02-29", true},
		{"19700101", harare, "1970-01-01", true},
		// The hour that the change to summer time leaves out is what time.Date makes of it.
		{"20260329023000", berlin, "2026-03-29T03:30:00+02:00", true},
		{"20260701120000", berlin, "2026-07-01T12:00:00+02:00", true},
		{"20260101120000", berlin, "2026-01-01T12:00:00+01:00", true},
		// not set
		{"", harare, "", true},
		{"   ", harare, "", true},
		{`""`, harare, "", true},
		{"0", harare, "", true},
		{"00000000000000", harare, "", true},
		{"19700101080000", harare, "", true},
		// impossible, or no time at all
		{"202613", harare, "", false},
		{"20261301", harare, "", false},
		{"20260230", harare, "", false},
		{"20250229", harare, "", false},
		{"20260100", harare, "", false},
		{"2026112325", harare, "", false},
		{"202611230860", harare, "", false},
		{"20261123083660", harare, "", false},
		{"20261", harare, "", false},
		{"2026112", harare, "", false},
		{"202611230836151", harare, "", false},
		{"2026112308361500", harare, "", false},
		{"20261123083615+2500", harare, "", false},
		{"20261123083615+02", harare, "", false},
		{"20261123.5", harare, "", false},
		{"20261123083615.x", harare, "", false},
		{"2026-11-23 08:36:15:10", harare, "", false},
		{"2026-1123", harare, "", false},
		{"19940407120613 51", harare, "", false},
		{"23.11.2026", harare, "", false},
		{"00001123", harare, "", false},
		{"R", harare, "", false},
		{"+0200", harare, "", false},
		{"-", harare, "", false},
		{"Z", harare, "", false},
	}
	for _, tt := range tests {
		if got, ok := codec.Timestamp(tt.text, tt.loc); got != tt.want || ok != tt.ok {
			t.Errorf("Timestamp(%q) = %q %v, want %q %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// A time that a clock shows is read back as the same instant.
func TestTimestampKeepsTheInstant(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "unix"), 0).In(zone)
		layout := rapid.SampledFrom([]string{"20060102150405", "20060102 150405", "2006-01-02 15:04:05", "20060102150405-0700", "20060102150405.000"}).Draw(t, "layout")
		text := want.Format(layout)
		got, ok := codec.Timestamp(text, zone)
		if !ok {
			t.Fatalf("Timestamp(%q) is not ok", text)
		}
		if got == "" && text == "19700101080000" {
			return
		}
		if instant, err := time.Parse(time.RFC3339, got); err != nil || !instant.Equal(want) {
			t.Fatalf("Timestamp(%q) = %q, want %v", text, got, want)
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{"20261123083615+0200", "2026-11-23 08:36", "0000", "2026.", "20261123-02", "T", "2026-11-23T"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		codectest.Ends(t)
		got, ok := codec.Timestamp(text, nil)
		if !ok && got != "" {
			t.Errorf("a time %q that is not ok", got)
		}
		if len(got) > len("2026-11-23") {
			if _, err := time.Parse(time.RFC3339, got); err != nil {
				t.Errorf("not RFC 3339: %q", got)
			}
		}
	})
}
