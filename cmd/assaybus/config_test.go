package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestConfigDefaults(t *testing.T) {
	got, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		NATS: natsConfig{Listen: "127.0.0.1:4222"}, Data: "./data", Replicas: 1, Site: "main",
		Instruments: "instruments.yaml", HTTP: "127.0.0.1:8600", Log: logConfig{Level: "info", Format: "auto"},
		Patience: Duration(10 * time.Second), ShutdownGrace: Duration(20 * time.Second), ParsedMaxAge: Duration(90 * 24 * time.Hour),
		Ingest:        ingestConfig{Database: "./results.db", Durable: "ingest"},
		MessageMemory: 256 << 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// Every variable of the table reaches its field, under its prefixed name only.
func TestConfigReadsEveryVariable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"NATS_USERS": "", "STORE_KEY_FILE": "", "MESSAGE_MEMORY": "64MiB",
		"NATS_URL": "tls://a:4222,tls://b:4222", "NATS_CREDS": file, "NATS_TLS_CA": file, "NATS_TLS_CERT": file, "NATS_TLS_KEY": file,
		"NATS_LISTEN": "none", "NATS_TOKEN": "", "DATA": "/srv/assaybus", "STORE_MAX": "2TiB", "REPLICAS": "3", "SITE": "north",
		"INSTRUMENTS": "/etc/i.yaml", "HTTP": ":8600", "HTTP_TOKEN": "sixteen letters.", "HTTP_TLS_CA": file, "HTTP_TLS_CERT": file, "HTTP_TLS_KEY": file, "PPROF": "true", "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "PATIENCE": "5s",
		"SHUTDOWN_GRACE": "1m", "RAW_MAX_AGE": "3650d", "PARSED_MAX_AGE": "12h",
		"INGEST_DATABASE": "postgres://lab@db/results", "INGEST_DURABLE": "lis",
	}
	for _, s := range settings() {
		name := strings.TrimPrefix(s.name, prefix+"_")
		value, ok := values[name]
		if !ok {
			t.Errorf("%s is not in this test", s.name)
		}
		t.Setenv(s.name, value)
		t.Setenv(name, "unprefixed names must not be read")
	}
	if got, want := len(settings()), len(values); got != want {
		t.Errorf("%d settings, want %d", got, want)
	}
	got, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		NATS: natsConfig{URL: values["NATS_URL"], Creds: file, TLS: tlsConfig{file, file, file}, Listen: "none"},
		Data: "/srv/assaybus", StoreMax: 2 << 40, Replicas: 3, Site: "north", Instruments: "/etc/i.yaml", HTTP: ":8600", HTTP_Token: "sixteen letters.", HTTP_TLS: httpTLS{file, file, file}, Pprof: true,
		Log: logConfig{"debug", "json"}, Patience: Duration(5 * time.Second), ShutdownGrace: Duration(time.Minute),
		RawMaxAge: Duration(3650 * 24 * time.Hour), ParsedMaxAge: Duration(12 * time.Hour),
		Ingest:        ingestConfig{"postgres://lab@db/results", "lis"},
		MessageMemory: 64 << 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestConfigErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct {
		name string
		env  map[string]string
		want []string // parts of the error
	}{
		{"typo", map[string]string{"ASSAYBUS_NAT_URL": "x"}, []string{"ASSAYBUS_NAT_URL: is no setting, did you mean ASSAYBUS_NATS_URL?"}},
		{"two typos", map[string]string{"ASSAYBUS_PATIENT": "1s", "ASSAYBUS_SIET": "x"}, []string{"did you mean ASSAYBUS_PATIENCE?", "did you mean ASSAYBUS_SITE?"}},
		{"kubernetes", map[string]string{"ASSAYBUS_PORT_8600_TCP": "tcp://10.0.0.1:8600"}, []string{"enableServiceLinks: false"}},
		{"scheme", map[string]string{"ASSAYBUS_NATS_URL": "http://bus"}, []string{`ASSAYBUS_NATS_URL: must be nats://host:port, tls://, ws:// or wss:// (got "http://bus")`}},
		{"second url", map[string]string{"ASSAYBUS_NATS_URL": "nats://a,nats://"}, []string{`(got "nats:")`}},
		{"no file", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_NATS_CREDS": missing}, []string{"ASSAYBUS_NATS_CREDS: cannot be read: no such file or directory", missing}},
		{"folder", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_NATS_TLS_CA": t.TempDir()}, []string{"ASSAYBUS_NATS_TLS_CA: must be a file"}},
		{"creds without url", map[string]string{"ASSAYBUS_NATS_CREDS": missing}, []string{"ASSAYBUS_NATS_CREDS: is for an external bus: set ASSAYBUS_NATS_URL too"}},
		{"cert without key", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_NATS_TLS_CERT": os.Args[0]}, []string{"ASSAYBUS_NATS_TLS_KEY"}},
		{"token and creds", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_NATS_TOKEN": "s3cret", "ASSAYBUS_NATS_CREDS": os.Args[0]}, []string{"two ways to log in"}},
		{"bus for everybody", map[string]string{"ASSAYBUS_NATS_LISTEN": "0.0.0.0:4222"}, []string{"ASSAYBUS_NATS_LISTEN: can be reached from other machines: set ASSAYBUS_NATS_USERS, ASSAYBUS_NATS_TOKEN", `(got "0.0.0.0:4222")`}},
		{"bus on all addresses", map[string]string{"ASSAYBUS_NATS_LISTEN": ":4222"}, []string{"can be reached from other machines"}},
		{"no port", map[string]string{"ASSAYBUS_NATS_LISTEN": "127.0.0.1"}, []string{"must be host:port, or none"}},
		{"no data", map[string]string{"ASSAYBUS_DATA": ""}, []string{`ASSAYBUS_DATA: must not be empty; unset it for the default (got "")`}},
		{"size", map[string]string{"ASSAYBUS_STORE_MAX": "50 gigs"}, []string{`ASSAYBUS_STORE_MAX: is not a size`, `(got "50 gigs")`}},
		{"small", map[string]string{"ASSAYBUS_STORE_MAX": "1MiB"}, []string{"must be 0 (by free disk) or at least 64MiB", `(got "1MiB")`}},
		{"memory", map[string]string{"ASSAYBUS_MESSAGE_MEMORY": "1MiB"}, []string{"ASSAYBUS_MESSAGE_MEMORY: must be 0 (256MiB) or at least 64MiB"}},
		{"users of an external bus", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_NATS_USERS": missing}, []string{"ASSAYBUS_NATS_USERS: is for the embedded bus"}},
		{"users and a token", map[string]string{"ASSAYBUS_NATS_TOKEN": "s3cret", "ASSAYBUS_NATS_USERS": missing}, []string{"two ways to log in"}},
		{"key of an external bus", map[string]string{"ASSAYBUS_NATS_URL": "nats://a", "ASSAYBUS_STORE_KEY_FILE": missing}, []string{"ASSAYBUS_STORE_KEY_FILE: is for the embedded bus"}},
		{"replicas", map[string]string{"ASSAYBUS_REPLICAS": "2", "ASSAYBUS_NATS_URL": "nats://a"}, []string{`ASSAYBUS_REPLICAS: must be 1, 3 or 5 (got "2")`}},
		{"replicas of one", map[string]string{"ASSAYBUS_REPLICAS": "3"}, []string{"needs an external cluster"}},
		{"number", map[string]string{"ASSAYBUS_REPLICAS": "many"}, []string{`ASSAYBUS_REPLICAS: invalid syntax (got "many")`}},
		{"site", map[string]string{"ASSAYBUS_SITE": "a\x1b"}, []string{"ASSAYBUS_SITE: must be printable text"}},
		{"instruments", map[string]string{"ASSAYBUS_INSTRUMENTS": " "}, []string{"ASSAYBUS_INSTRUMENTS: must not be empty"}},
		{"http open", map[string]string{"ASSAYBUS_HTTP": "0.0.0.0:8600"}, []string{"ASSAYBUS_HTTP: can be reached from other machines: set ASSAYBUS_HTTP_TOKEN"}},
		{"http token short", map[string]string{"ASSAYBUS_HTTP_TOKEN": "short"}, []string{"ASSAYBUS_HTTP_TOKEN: must be at least 16 characters"}},
		{"http tls half", map[string]string{"ASSAYBUS_HTTP_TLS_CERT": "config.go", "ASSAYBUS_HTTP_TLS_CA": "gone"}, []string{"ASSAYBUS_HTTP_TLS_CERT: needs ASSAYBUS_HTTP_TLS_KEY", "ASSAYBUS_HTTP_TLS_CA: cannot be read"}},
		{"http", map[string]string{"ASSAYBUS_HTTP": "localhost:99999"}, []string{"ASSAYBUS_HTTP: port must be a number from 0 to 65535"}},
		{"level", map[string]string{"ASSAYBUS_LOG_LEVEL": "loud"}, []string{`ASSAYBUS_LOG_LEVEL: must be debug, info, warn or error (got "loud")`}},
		{"format", map[string]string{"ASSAYBUS_LOG_FORMAT": "xml"}, []string{`ASSAYBUS_LOG_FORMAT: must be auto, text or json (got "xml")`}},
		{"patience", map[string]string{"ASSAYBUS_PATIENCE": "15s"}, []string{"ASSAYBUS_PATIENCE: must be between 100ms and less than 15s", `(got "15s")`}},
		{"grace", map[string]string{"ASSAYBUS_SHUTDOWN_GRACE": "1d"}, []string{"ASSAYBUS_SHUTDOWN_GRACE: must be at most 1h"}},
		{"raw age", map[string]string{"ASSAYBUS_RAW_MAX_AGE": "5m"}, []string{"ASSAYBUS_RAW_MAX_AGE: must be 0s (for ever) or at least 1h"}},
		{"parsed age", map[string]string{"ASSAYBUS_PARSED_MAX_AGE": "a week"}, []string{`ASSAYBUS_PARSED_MAX_AGE: is not a duration`, `(got "a week")`}},
		{"all at once", map[string]string{"ASSAYBUS_LOG_LEVEL": "loud", "ASSAYBUS_PATIENCE": "1h"}, []string{"ASSAYBUS_LOG_LEVEL", "ASSAYBUS_PATIENCE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			_, err := loadConfig()
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(privacytest.Error(err), want) {
					t.Errorf("error %q\nlacks %q", err, want)
				}
			}
		})
	}
}

func TestConfigErrorsHoldNoSecrets(t *testing.T) {
	t.Setenv("ASSAYBUS_NATS_TOKEN", "s3cret")
	t.Setenv("ASSAYBUS_NATS_CREDS", "/nowhere")
	for _, url := range []string{"http://user:s3cret@bus", "nats://user:s3cret@bus:port", "nats://user:s3cret@%zz"} {
		t.Setenv("ASSAYBUS_NATS_URL", url)
		_, err := loadConfig()
		if err == nil {
			t.Fatalf("%s: no error", url)
		}
		if strings.Contains(privacytest.Error(err), "s3cret") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// An embedded bus that asks for a token may be reached from elsewhere.
func TestConfigListenWithToken(t *testing.T) {
	t.Setenv("ASSAYBUS_NATS_LISTEN", "0.0.0.0:4222")
	t.Setenv("ASSAYBUS_NATS_TOKEN", "s3cret")
	if _, err := loadConfig(); err != nil {
		t.Error(err)
	}
}

// Tests' own variables are nobody's typo.
func TestConfigAllowsTestVariables(t *testing.T) {
	for _, name := range testNames() {
		t.Setenv(name, "x")
	}
	if _, err := loadConfig(); err != nil {
		t.Error(err)
	}
}

func TestConfigTable(t *testing.T) {
	table := configTable()
	for _, s := range settings() {
		if !strings.Contains(table, s.name) || s.help == "" {
			t.Errorf("%s: not in the table or without a meaning", s.name)
		}
	}
}

// The manual shows the table that the program makes.
func TestManualHasConfigTable(t *testing.T) {
	if want := configMarkdown(); !strings.Contains(codectest.Manual(t)["docs/operating.md"], want) {
		t.Errorf("docs/operating.md lacks the table of settings; it must hold:\n%s", want)
	}
}
