package hl7_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// answer is what the instrument hears of one block.
func answer(t *testing.T, o codec.Options, host *codectest.Host, raw string) string {
	t.Helper()
	got, err := codectest.Play(t, hl7.NewFixed(o), host, mustBytes(t, "␋"+raw+"␜␍"))
	if err != nil {
		t.Fatal(err)
	}
	return codectest.Pictures(got)
}

// Every field where HL7 wants it (defect 31 had the control id in MSH-8 and no
// MSH-11 and 12), the parties the right way round (connect#276), the last CR
// in place (connect#504).
func TestAck(t *testing.T) {
	tail := "␜␍"
	for _, c := range []struct{ name, in, want string }{
		{"parties change sides (connect#276)", "MSH|^~\\&|A1|F1|A2|F2|20261123||ORU^R01^ORU_R01|77|P|2.5.1␍",
			"␋MSH|^~\\&|A2|F2|A1|F1|20261123083000||ACK^R01^ACK|X1|P|2.5.1␍MSA|AA|77␍"},
		{"own delimiters", "MSH!*-/+!A!B!C!D!20261123!!ORU*R01*ORU_R01!77!P!2.5.1␍",
			"␋MSH!*-/+!C!D!A!B!20261123083000!!ACK*R01*ACK!X1!P!2.5.1␍MSA!AA!77␍"},
		{"backtick escape", "MSH|^~`&|ECG||||2011||ORU^R01|2011|P|2.1␍",
			"␋MSH|^~`&|||ECG||20261123083000||ACK|X1|P|2.1␍MSA|AA|2011|Message accepted|||0␍"},
		{"five characters", "MSH|^~\\&#|A||||2011||ORU^R01^ORU_R01|1|P|2.7␍",
			"␋MSH|^~\\&#|||A||20261123083000||ACK^R01^ACK|X1|P|2.7␍MSA|AA|1␍"},
		{"one character", "MSH|^|A||||2011||ORU^R01^ORU_R01|1|P|2.5␍",
			"␋MSH|^|||A||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"letters in MSH-2", "MSH|abc|A||||2011||ORU^R01^ORU_R01|1|P|2.5␍",
			"␋MSH|^~\\&|||A||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"empty MSH-2", "MSH||A||||2011||ORU^R01^ORU_R01|1|P|2.5␍",
			"␋MSH|^~\\&|||A||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"no structure, 2.5", "MSH|^~\\&|||||2011||ORU^R01|1|P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"2.4", "MSH|^~\\&|||||2011||ORU^R01|1|P|2.4␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.4␍MSA|AA|1|Message accepted|||0␍"},
		{"2.3.1 with structure", "MSH|^~\\&|||||2011||ORU^R01^ORU_R01|1|P|2.3.1␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.3.1␍MSA|AA|1|Message accepted|||0␍"},
		{"Mindray: class and MSA-6", "MSH|^~\\&|Mindray|BS|||20261123||ORU^R01|1|P|2.3.1||||0||ASCII␍",
			"␋MSH|^~\\&|||Mindray|BS|20261123083000||ACK^R01|X1|P|2.3.1||||0||ASCII␍MSA|AA|1|Message accepted|||0␍"},
		{"2.2", "MSH|^~\\&|||||2011||ORU^R01|1|P|2.2␍",
			"␋MSH|^~\\&|||||20261123083000||ACK|X1|P|2.2␍MSA|AA|1|Message accepted|||0␍"},
		{"no trigger", "MSH|^~\\&|||||2011||ORU|1|P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000||ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"no version", "MSH|^~\\&|||||2011||ORU^R01|1␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01|X1||␍MSA|AA|1|Message accepted|||0␍"},
		{"version with components", "MSH|^~\\&|||||2011||ORU^R01|1|P^T|2.5.1^CHE␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P^T|2.5.1^CHE␍MSA|AA|1␍"},
		{"charset and LAW profile", "MSH|^~\\&|||||2011||OUL^R22^OUL_R22|1|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R22^ACK|X1|P|2.5.1||||||UNICODE UTF-8|||LAB-29^IHE␍MSA|AA|1␍"},
		{"zone when the message has one", "MSH|^~\\&|||||20261123081500+0200||ORU^R01^ORU_R01|1|P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000+0000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"control id 0", "MSH|^~\\&|||||2011||ORU^R01^ORU_R01|0|P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|0␍"},
		{"control id byte for byte", "MSH|^~\\&|||||2011||ORU^R01^ORU_R01| a^b\\F\\ü‹E4›\u2409~ |P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA| a^b\\F\\ü‹E4›␉~ ␍"},
		{"framing bytes in the header", "MSH|^~\\&|A␋B|||C␜D|2011||ORU^R␋01^ORU_R01|1␋2␜3|P␋|2.5␍",
			"␋MSH|^~\\&||CD|AB||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|123␍"},
		{"header ended by LF", "MSH|^~\\&|||||2011||ORU^R01^ORU_R01|1|P|2.5␊OBX|1␊",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"LF in the header is text", "MSH|^~\\&|A␊B|||||2011|ORU^R01^ORU_R01|1|P|2.5␍OBX|1␍",
			"␋MSH|^~\\&|||A␊B||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"blanks and BOM before", "‹EF›‹BB›‹BF› ␍␊MSH|^~\\&|||||2011||ORU^R01^ORU_R01|1|P|2.5␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^R01^ACK|X1|P|2.5␍MSA|AA|1␍"},
		{"MSH-7 left out", "MSH|^~\\&|A|B|C|D||ORU^R01^ORU_R01|id9|P|2.5.1|||NE|AL␍",
			"␋MSH|^~\\&|C|D|A|B|20261123083000||ACK^R01^ACK|X1|P|2.5.1␍MSA|AA|id9␍"},
		{"one field too many", "MSH|^~\\&|A|B|C|D|2026|||ORU^R01^ORU_R01|id9|P|2.5.1␍",
			"␋MSH|^~\\&|C|D|A|B|20261123083000||ACK^R01^ACK|X1|P|2.5.1␍MSA|AA|id9␍"},
		{"query: as other messages for now", "MSH|^~\\&|||||2026||QBP^Q11^QBP_Q11|q|P|2.5.1␍QPD|a␍",
			"␋MSH|^~\\&|||||20261123083000||ACK^Q11^ACK|X1|P|2.5.1␍MSA|AA|q␍"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var host codectest.Host
			if got, want := answer(t, codec.Options{}, &host, c.in), c.want+tail; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// The error's place and code stand in different fields before and since v2.5.
func TestAckErrors(t *testing.T) {
	const before = "MSH|^~\\&|||||2026||ORU^R01|1|P|2.3.1␍"
	const since = "MSH|^~\\&|||||2026||ORU^R01^ORU_R01|1|P|2.6␍"
	for _, c := range []struct {
		name, in string
		err      error
		want     string
	}{
		{"old, content", before, codec.ErrReject, "MSA|AE|1|Data type error|||102␍ERR|^^^102&Data type error&HL70357␍"},
		{"old, store", before, codectest.ErrStore, "MSA|AR|1|Application internal error|||207␍ERR|^^^207&Application internal error&HL70357␍"},
		{"old, no control id", "MSH|^~\\&|||||2026||ORU^R01||P|2.3␍", nil,
			"MSA|AR||Required field missing|||101␍ERR|MSH^1^10^101&Required field missing&HL70357␍"},
		{"content", since, codec.ErrReject, "MSA|AE|1␍ERR|||102^Data type error^HL70357|E||||Data type error␍"},
		{"store", since, fmt.Errorf("the store: %w", codectest.ErrStore), "MSA|AR|1␍ERR|||207^Application internal error^HL70357|E||||Application internal error␍"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var host codectest.Host
			host.Answer(c.err)
			got := answer(t, codec.Options{StoreFailure: "reject"}, &host, c.in)
			if _, got, _ = strings.Cut(got, "␍"); got != c.want+"␜␍" {
				t.Errorf("\n got %s\nwant %s", got, c.want+"␜␍")
			}
		})
	}
}

func TestAckOptions(t *testing.T) {
	const in = "MSH|^~\\&|||||20261123||ORU^R01|in7|P|2.3.1␍"
	var host codectest.Host
	if got := answer(t, codec.Options{Quirks: []string{"echo-control-id"}}, &host, in); !strings.Contains(got, "|ACK^R01|in7|P|") {
		t.Errorf("echo-control-id: %s", got)
	}
	zone := time.FixedZone("CAT", 2*60*60)
	if got := answer(t, codec.Options{Location: zone}, &host, in); !strings.Contains(got, "|20261123103000|") {
		t.Errorf("location: %s", got)
	}
	for _, o := range []codec.Options{{AckMode: "sometimes"}, {StoreFailure: "forget"}, {CommitAck: "yes"}} {
		if _, err := hl7.New(o); err == nil || !strings.Contains(privacytest.Error(err), "want ") {
			t.Errorf("New(%+v) = %v, want an error that says what is known", o, err)
		}
	}
}

// Every acknowledgement has a control id of its own that fits MSH-10.
func TestAckIDsAreUnique(t *testing.T) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 1000 {
		var host codectest.Host
		out, err := codectest.Play(t, p, &host, mustBytes(t, "␋MSH|^~\\&|||||2026||ORU^R01|1|P|2.3␍␜␍"))
		if err != nil {
			t.Fatal(err)
		}
		id := strings.Split(string(out), "|")[9]
		if len(id) == 0 || len(id) > 20 || seen[id] {
			t.Fatalf("control id %q: empty, too long or used before", id)
		}
		seen[id] = true
	}
}
