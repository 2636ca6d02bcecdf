package codec_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest"
)

// stars is a protocol of messages such as "**text." for the detector to tell
// from ASTM.
type stars struct{ codec.Protocol }

func starsKind() codec.Kind {
	return codec.Kind{
		Name:   "stars",
		Quirks: []codec.Quirk{{Name: "dim", Help: "for tests"}},
		New:    func(codec.Options) (codec.Protocol, error) { return stars{}, nil },
		Speaks: func(first []byte) codec.Verdict {
			switch s := strings.TrimLeft(string(first), "\x02"); {
			case s == "" || s == "*":
				return codec.Maybe
			case strings.HasPrefix(s, "**"):
				return codec.Yes
			}
			return codec.No
		},
		Owns: func(raw []byte) bool { return strings.HasPrefix(string(raw), "**") },
	}
}

func kinds() codec.Index { return codec.Index{astm.Kind(), starsKind()} }

func auto(t *testing.T) func(codec.Options) codec.Protocol {
	return func(o codec.Options) codec.Protocol {
		p, err := kinds().Build(codec.Auto, o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestDetectSession(t *testing.T) {
	for name, text := range map[string]string{
		"ASTM": `> ␅
< ␆
detected astm
> ␄
> H|\^&␍L|1␍
< ␆
stored H|\^&␍L|1␍
`,
		"in pieces": "> ␀␍␊\nwait 1s\n> H\nwait 1s\n> |\\^&␍L|1␍\n< ␆\ndetected astm\nstored H|\\^&␍L|1␍\n",
		"unknown":   "> hello\nclosed no known protocol\nevent noise 1\n",
		"nothing":   "hangup\nclosed EOF\n",
		"noise and a hang-up": `> ␀␀
hangup
closed EOF
event noise 1
`,
		"noise and silence": `> ␂
wait 59s
pass 2s
event noise 1
> ␅
< ␆
> ␄
`,
		"too much noise": "> ‹00*600›\nclosed no known protocol\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := codectest.Converse(t, auto(t), text); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDetectWithoutUnreader: the bytes that told the protocol are not lost.
func TestDetectWithoutUnreader(t *testing.T) {
	var host codectest.Host
	conn := struct{ codec.Conn }{codec.NewPlayback([]byte("\x00\x00H|\\^&\rL|1\r"))}
	err := auto(t)(codec.Options{}).Serve(t.Context(), conn, &host)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if got := host.Stored(); len(got) != 1 || string(got[0]) != "H|\\^&\rL|1\r" {
		t.Errorf("stored %q", got)
	}
}

func TestDetectByContent(t *testing.T) {
	p := auto(t)(codec.Options{})
	if got := p.Name(); got != codec.Auto {
		t.Errorf("Name = %q", got)
	}
	if err := p.Send(t.Context(), codec.NewPlayback(nil), []byte("{}")); !errors.Is(err, codec.ErrUnknownContent) {
		t.Errorf("Send = %v, want ErrUnknownContent", err)
	}
	_, err := p.Parse([]byte("{}"))
	var where *codec.ParseError
	if !errors.Is(err, codec.ErrUnknownContent) || !errors.As(err, &where) || where.Protocol != codec.Auto {
		t.Errorf("Parse = %v, want a ParseError of ErrUnknownContent", err)
	}
}

func TestFixedProtocol(t *testing.T) {
	p, err := kinds().Build("astm", codec.Options{})
	if err != nil || p.Name() != "astm" {
		t.Fatalf("Build = %v, %v", p, err)
	}
	conn := codec.NewPlayback(nil)
	if err := p.Send(t.Context(), conn, []byte("{}")); !errors.Is(err, io.EOF) || string(conn.Written()) != "\x05" {
		t.Errorf("Send = %v and wrote %q: a fixed protocol does not ask for the content", err, conn.Written())
	}
	var host codectest.Host
	if _, err := codectest.Play(t, p, &host, []byte("hello\r\n\x05\x04")); err != nil {
		t.Errorf("Serve = %v: a fixed protocol skips noise", err)
	}
	if len(host.Protocols()) > 0 {
		t.Errorf("detected %v", host.Protocols())
	}
}
