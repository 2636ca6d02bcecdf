package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// openBus is an embedded bus with a listener, closed with the test.
func openBus(t *testing.T, token string) *broker.Bus {
	t.Helper()
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Token: token, StoreMax: 1 << 30, Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		onbus.Hear(bus.JetStream())
		if err := bus.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return bus
}

// tailing runs tail and stores messages until it prints a line.
func tailing(t *testing.T, bus *broker.Bus, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		ended <- hearing(ctx, append([]string{"tail", "--nats", bus.URL()}, args...), strings.NewReader(""), in, &stderr)
		in.Close()
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	defer func() {
		cancel()
		for range lines { // until tail has ended
			continue
		}
		if code := <-ended; code != exitOK {
			t.Errorf("tail ended with %d: %s", code, stderr.String())
		}
	}()
	for n := range 1000 {
		for _, instrument := range []string{"quiet", "xn 1000"} {
			store(t, bus, subjects.StreamRaw, subjects.Raw("main", instrument), n, []byte("\x02H|\r"))
			store(t, bus, subjects.StreamParsed, subjects.Parsed("main", instrument, "result"), n,
				marshal(t, codec.Message{Instrument: instrument, Results: make([]codec.Result, 3)}))
		}
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("tail ended: %s", stderr.String())
			}
			return line
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("tail printed nothing")
	return ""
}

func store(t *testing.T, bus *broker.Bus, stream, subject string, n int, body []byte) {
	t.Helper()
	_, err := bus.Publish(t.Context(), bridge.Publication{Stream: stream, Subject: subject, ID: fmt.Sprintf("%s.%d", subject, n), Body: body})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTailShowsWhatIsStored(t *testing.T) {
	bus := openBus(t, "")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"result", "3 results"}},
		{[]string{"--instrument", "xn 1000"}, []string{"xn 1000", "3 results"}},
		{[]string{"--instrument", "xn 1000", "--raw"}, []string{"xn=201000", "raw", "4 bytes"}},
		{[]string{"--instrument", "xn 1000", "--json"}, []string{`"subject":"lab.parsed.main.xn=201000.result"`, `"results":[`}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := tailing(t, bus, tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("line %q lacks %q", got, want)
				}
			}
		})
	}
}

func TestTailLogsIn(t *testing.T) {
	bus := openBus(t, "s3cret")
	code, _, stderr := runText(t, "", "tail", "--nats", bus.URL())
	if code != exitFailed || !strings.Contains(stderr, "set ASSAYBUS_NATS_TOKEN") {
		t.Errorf("without the token: exit %d, %q", code, stderr)
	}
	t.Setenv("ASSAYBUS_NATS_TOKEN", "s3cret")
	if got := tailing(t, bus); !strings.Contains(got, "3 results") {
		t.Errorf("with the token: %q", got)
	}
}

func TestTailErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		want string
	}{
		{"no bus", nil, []string{"--nats", "nats://u:s3cret@127.0.0.1:1"}, exitFailed, "bus nats://127.0.0.1:1: nats: no servers available for connection; start assaybus serve or name the bus with --nats"},
		{"no URL", nil, []string{"--nats", "http://127.0.0.1"}, exitUsage, "--nats: must be nats://host:port"},
		{"no listener", map[string]string{"ASSAYBUS_NATS_LISTEN": "none"}, nil, exitUsage, "ASSAYBUS_NATS_LISTEN"},
		{"bad setting", map[string]string{"ASSAYBUS_SIET": "x"}, nil, exitUsage, "did you mean ASSAYBUS_SITE?"},
		{"arguments", nil, []string{"xn1000"}, exitUsage, "see assaybus tail --help"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			code, _, stderr := runText(t, "", append([]string{"tail"}, tt.args...)...)
			if code != tt.code || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "s3cret") {
				t.Errorf("exit %d, stderr %q", code, stderr)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	bus := openBus(t, "")
	err := follow(t.Context(), bus.JetStream(), []feed{{stream: "LAB_NOTHING", filter: []string{"lab.nothing"}}}, func(event) error { return nil })
	if err == nil || !strings.Contains(privacytest.Error(err), "stream LAB_NOTHING") {
		t.Errorf("a stream that is not there: %v", err)
	}

	// What cannot be shown ends it.
	full := errors.New("disk full")
	ended := make(chan error, 1)
	go func() {
		ended <- follow(t.Context(), bus.JetStream(), feeds(true, ""), func(event) error { return full })
	}()
	for n := 0; ; n++ {
		store(t, bus, subjects.StreamRaw, subjects.Raw("main", "xn"), n, []byte("x"))
		select {
		case err := <-ended:
			if !errors.Is(err, full) {
				t.Errorf("follow = %v, want %v", err, full)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
