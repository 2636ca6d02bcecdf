package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// prefix begins the name of every variable.
const prefix = "ASSAYBUS"

// config is what the process is told by its environment. The field's path is
// the variable's name: NATS.TLS.CA is ASSAYBUS_NATS_TLS_CA.
type config struct {
	NATS          natsConfig
	Data          string `default:"./data" help:"folder of the embedded bus"`
	StoreMax      Size   `split_words:"true" default:"0" help:"most that the streams may take on disk, such as 50GiB; 0 = 80 % of what is free, on an external bus no limit of ours; when it is full instruments are refused, nothing is deleted"`
	StoreKeyFile  string `split_words:"true" help:"file with the key, at least 32 characters, that the embedded bus encrypts its store with; the store is lost without it"`
	Replicas      int    `default:"1" help:"copies of the streams on an external cluster: 1, 3 or 5"`
	Site          string `default:"main" help:"name of this laboratory, part of every subject"`
	Instruments   string `default:"instruments.yaml" help:"file that lists the instruments"`
	HTTP          string `default:"127.0.0.1:8600" help:"address of the status page, /metrics, /healthz and /readyz; none = no listener"`
	HTTP_Token    string `help:"token that the page and /metrics ask for, at least 16 characters; needed when ASSAYBUS_HTTP can be reached from other machines"`
	HTTP_TLS      httpTLS
	Pprof         bool `default:"false" help:"serve /debug/pprof/ beside the page"`
	Log           logConfig
	Patience      Duration `default:"10s" help:"how long an instrument waits for its answer before it is refused; below 15s, when the least patient ones give up"`
	MessageMemory Size     `split_words:"true" default:"256MiB" help:"memory for messages in flight, beyond 512KiB that every connection has for its own; what finds no room is refused and repeated by its instrument"`
	ShutdownGrace Duration `split_words:"true" default:"20s" help:"how long transmissions in progress may take to finish at shutdown"`
	RawMaxAge     Duration `split_words:"true" default:"0s" help:"age at which raw messages are removed; 0s = never"`
	ParsedMaxAge  Duration `split_words:"true" default:"90d" help:"age at which parsed messages are removed; 0s = never"`
	Ingest        ingestConfig
}

// natsConfig says which bus.
type natsConfig struct {
	URL    string `help:"external bus: nats://host:4222, several separated by commas; empty = the embedded one"`
	Creds  string `help:"credentials file for the external bus"`
	TLS    tlsConfig
	Listen string `default:"127.0.0.1:4222" help:"where the embedded bus listens; none = in this process only; an address that others reach needs users, a token or TLS"`
	Users  string `help:"file of names, passwords and roles (bridge, consumer, monitor) that the embedded bus lets in; instead of a token"`
	Token  string `help:"token that the external bus wants, or that the embedded one asks for"`
}

// tlsConfig is the TLS of the connection to an external bus, or of the
// embedded one's listener.
type tlsConfig struct {
	CA   string `help:"file of the authorities that sign the other side's certificate"`
	Cert string `help:"our certificate file"`
	Key  string `help:"our key file"`
}

// ingestConfig says where results go that leave the bus.
type ingestConfig struct {
	Database string `default:"./results.db" help:"database of ingest and serve --ingest: an SQLite file, or postgres://user@host:5432/name"`
	Durable  string `default:"ingest" help:"name of the consumer of ingest on the bus"`
}

// httpTLS is the TLS of the page.
type httpTLS struct {
	CA   string `help:"file of the authorities whose certificate a browser must show"`
	Cert string `help:"our certificate file; with it the page is https"`
	Key  string `help:"our key file"`
}

// logConfig says what is logged and how.
type logConfig struct {
	Level  string `default:"info" help:"debug, info, warn or error"`
	Format string `default:"auto" help:"text, json or auto: text on a terminal, JSON elsewhere"`
}

// loadConfig reads and checks the environment. Its errors name the variable
// and what it may hold; a secret is never part of them.
func loadConfig() (config, error) {
	var c config
	if err := checkNames(os.Environ()); err != nil {
		return c, err
	}
	if err := envconfig.Process(prefix, &c); err != nil {
		var bad *envconfig.ParseError
		if !errors.As(err, &bad) {
			return c, fmt.Errorf("read the environment: %w", err)
		}
		return c, settingError(bad.KeyName, bad.Err, bad.Value)
	}
	return c, c.validate()
}

// settingError is the one form of a complaint about a variable.
func settingError(name string, reason error, got string) error {
	var syntax interface{ Unwrap() error } // strconv's errors hold the value and the function's name
	if errors.As(reason, &syntax) {
		reason = syntax.Unwrap()
	}
	return fmt.Errorf("%s: %w (got %q)", name, reason, got)
}

// testNames are variables that only this repository's tests read.
func testNames() []string { return []string{prefix + "_CORPUS"} }

// checkNames complains about variables of ours that nothing reads: a setting
// with a typo would otherwise silently be its default.
func checkNames(environ []string) error {
	var known []string
	for _, s := range settings() {
		known = append(known, s.name)
	}
	var problems []error
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix+"_") || slices.Contains(known, name) || slices.Contains(testNames(), name) {
			continue
		}
		if strings.HasPrefix(name, prefix+"_SERVICE_") || strings.HasPrefix(name, prefix+"_PORT") {
			problems = append(problems, fmt.Errorf("%s: is no setting; Kubernetes sets it for a service named assaybus: set enableServiceLinks: false in the pod", name))
			continue
		}
		problems = append(problems, fmt.Errorf("%s: is no setting, did you mean %s?", name, nearest(name, known)))
	}
	return errors.Join(problems...)
}

// nearest is the name with the least edits between it and name.
func nearest(name string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int {
		return distance(name, a) - distance(name, b)
	})
}

// distance counts the inserted, removed and changed bytes between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
