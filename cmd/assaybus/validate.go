package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/assaybus/assaybus/bridge/ingest"
)

// none switches a listener off.
const none = "none"

// validate checks every value and tells everything that is wrong at once.
func (c config) validate() error {
	var problems []error
	check := func(name, got string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s_%s: %w (got %q)", prefix, name, err, got))
		}
	}
	problems = append(problems, c.NATS.validate()...)
	check("DATA", c.Data, notEmpty(c.Data))
	check("STORE_MAX", c.StoreMax.String(), c.checkStore())
	check("MESSAGE_MEMORY", c.MessageMemory.String(), c.checkMemory())
	check("STORE_KEY_FILE", c.StoreKeyFile, c.checkKey())
	check("REPLICAS", strconv.Itoa(c.Replicas), c.checkReplicas())
	check("SITE", c.Site, printable(c.Site))
	check("INSTRUMENTS", c.Instruments, notEmpty(c.Instruments))
	problems = append(problems, c.checkHTTP()...)
	check("LOG_LEVEL", c.Log.Level, oneOf(c.Log.Level, "debug", "info", "warn", "error"))
	check("LOG_FORMAT", c.Log.Format, oneOf(c.Log.Format, "auto", "text", "json"))
	check("PATIENCE", c.Patience.String(), between(c.Patience, 100*time.Millisecond, 15*time.Second-1,
		"must be between 100ms and less than 15s, when the least patient instruments give up"))
	check("SHUTDOWN_GRACE", c.ShutdownGrace.String(), between(c.ShutdownGrace, 0, time.Hour, "must be at most 1h"))
	check("RAW_MAX_AGE", c.RawMaxAge.String(), age(c.RawMaxAge))
	check("PARSED_MAX_AGE", c.ParsedMaxAge.String(), age(c.ParsedMaxAge))
	if err := ingest.CheckDurable(c.Ingest.Durable); err != nil {
		problems = append(problems, fmt.Errorf("%s_INGEST_DURABLE: %w", prefix, err))
	}
	if c.Ingest.Database == "" { // shown by nobody: it may hold a password
		problems = append(problems, fmt.Errorf("%s_INGEST_DATABASE: must not be empty: name an SQLite file or a postgres:// URL", prefix))
	}
	return errors.Join(problems...)
}

func (n natsConfig) validate() []error {
	var problems []error
	complain := func(name, text string) {
		problems = append(problems, fmt.Errorf("%s_NATS_%s: %s", prefix, name, text))
	}
	if n.URL != "" {
		for one := range strings.SplitSeq(n.URL, ",") {
			if err := busURL(strings.TrimSpace(one)); err != nil {
				complain("URL", err.Error())
			}
		}
	}
	if n.Listen != none {
		if err := n.checkListen(); err != nil {
			complain("LISTEN", fmt.Sprintf("%v (got %q)", err, n.Listen))
		}
	}
	files := []struct{ name, path string }{
		{"CREDS", n.Creds}, {"TLS_CA", n.TLS.CA}, {"TLS_CERT", n.TLS.Cert}, {"TLS_KEY", n.TLS.Key},
	}
	for _, f := range files {
		if n.URL == "" && f.path != "" && f.path == n.Creds {
			complain(f.name, "is for an external bus: set ASSAYBUS_NATS_URL too, or protect the embedded one with ASSAYBUS_NATS_TOKEN")
		} else if err := readable(f.path); err != nil {
			complain(f.name, err.Error())
		}
	}
	if (n.TLS.Cert == "") != (n.TLS.Key == "") {
		complain("TLS_CERT", "needs ASSAYBUS_NATS_TLS_KEY, and the other way round: set both or none")
	}
	if n.Users != "" && n.URL != "" {
		complain("USERS", "is for the embedded bus; an external one has users of its own: log in with ASSAYBUS_NATS_CREDS")
	}
	if n.Users != "" && n.Token != "" {
		complain("USERS", "and ASSAYBUS_NATS_TOKEN are two ways to log in: set one")
	}
	if n.Token != "" && n.Creds != "" {
		complain("TOKEN", "and ASSAYBUS_NATS_CREDS are two ways to log in: set one")
	}
	return problems
}

// readable checks that path, if it is set, is a file that is there.
func readable(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot be read: %w (got %q)", errors.Unwrap(err), path)
	case info.IsDir():
		return fmt.Errorf("must be a file, not a folder (got %q)", path)
	}
	return nil
}

// busURL checks one server's URL. A URL may hold a password, so the complaint
// shows it only redacted, and not at all when it cannot be read.
func busURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("is not a URL: write nats://host:4222")
	}
	if !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) || u.Hostname() == "" {
		return fmt.Errorf("must be nats://host:port, tls://, ws:// or wss:// (got %q)", u.Redacted())
	}
	return nil
}

// checkStore wants room for a few messages of the largest size.
func (c config) checkStore() error {
	if c.StoreMax != 0 && c.StoreMax < 64<<20 {
		return errors.New("must be 0 (by free disk) or at least 64MiB")
	}
	return nil
}

// checkMemory wants room for one message of the largest size.
func (c config) checkMemory() error {
	if c.MessageMemory != 0 && c.MessageMemory < 64<<20 {
		return errors.New("must be 0 (256MiB) or at least 64MiB")
	}
	return nil
}

func (c config) checkKey() error {
	if c.StoreKeyFile != "" && c.NATS.URL != "" {
		return errors.New("is for the embedded bus; an external one is encrypted by its own configuration")
	}
	return nil
}

func (c config) checkReplicas() error {
	if !slices.Contains([]int{1, 3, 5}, c.Replicas) {
		return errors.New("must be 1, 3 or 5")
	}
	if c.Replicas > 1 && c.NATS.URL == "" {
		return errors.New("more than one copy needs an external cluster: set ASSAYBUS_NATS_URL")
	}
	return nil
}

// address checks host:port; the host may be empty (all addresses).
func address(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("must be host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("port must be a number from 0 to 65535")
	}
	return nil
}

// checkListen keeps the embedded bus from those who could read and forge
// results on an open port.
func (n natsConfig) checkListen() error {
	if err := address(n.Listen); err != nil {
		return fmt.Errorf("%w, or none", err)
	}
	host, _, err := net.SplitHostPort(n.Listen)
	if err != nil {
		return err
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() || n.Token != "" || n.Users != "" || n.TLS.Cert != "" {
		return nil
	}
	return errors.New("can be reached from other machines: set ASSAYBUS_NATS_USERS, ASSAYBUS_NATS_TOKEN or TLS_CERT and TLS_KEY, or listen on 127.0.0.1")
}

func notEmpty(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("must not be empty; unset it for the default")
	}
	return nil
}

func printable(s string) error {
	if err := notEmpty(s); err != nil {
		return err
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("must be printable text")
	}
	return nil
}

func oneOf(s string, words ...string) error {
	if !slices.Contains(words, s) {
		return fmt.Errorf("must be %s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
	}
	return nil
}

func between(d Duration, least, most time.Duration, reason string) error {
	if t := time.Duration(d); t < least || t > most {
		return errors.New(reason)
	}
	return nil
}

// age checks how long messages are kept: a stream that forgets faster than it
// recognizes repeats cannot recognize them.
func age(d Duration) error {
	if d != 0 && time.Duration(d) < time.Hour {
		return errors.New("must be 0s (for ever) or at least 1h")
	}
	return nil
}
