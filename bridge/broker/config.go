package broker

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// Defaults of Config.
const (
	DefaultListen = "127.0.0.1:4222"
	DefaultDedupe = 10 * time.Minute
	DefaultName   = "assaybus"
	ListenNone    = "none" // Config.Listen: no socket, in-process only

	defaultMemory  = 64 << 20
	defaultConnect = 15 * time.Second
	minStore       = 1 << 30
	unknownStore   = 8 << 30 // when the system does not say how much disk is free
)

// Config says which bus to open. The zero value is an embedded server on
// 127.0.0.1:4222 with its store in ./data.
type Config struct {
	// URL of the external server, several separated by commas. Empty: embedded.
	URL string
	// Creds is a credentials file, for an external server only.
	Creds string
	// Token authenticates to the external server; it protects the embedded one.
	Token string
	// Users is a file of user names, passwords and roles for the embedded
	// server; it excludes Token.
	Users string
	// StoreKey is a file with the key that the embedded store is encrypted
	// with. The store cannot be opened with another one.
	StoreKey string
	// CA, Cert and Key are PEM files. External: the authority trusted and the
	// client certificate. Embedded: Cert and Key serve TLS on the listener, and
	// with CA a client must show a certificate of that authority.
	CA, Cert, Key string

	// Data is the store folder of the embedded server: "data" when empty.
	Data string
	// Listen is host:port of the embedded server, or "none". A host that is not
	// loopback needs Token, Users, or Cert and Key.
	Listen string
	// StoreMax is the embedded server's disk limit in bytes. 0 means 80 % of
	// the sum of what is free at start and what the store already uses, but at
	// least 1 GiB.
	StoreMax int64
	// MemoryMax is the embedded server's limit for memory streams in bytes,
	// 64 MiB when 0.
	MemoryMax int64

	// Replicas of each stream: 1 when 0; the embedded server has no more.
	Replicas int
	// RawMaxAge and ParsedMaxAge are how long messages are kept; 0 is for ever.
	RawMaxAge, ParsedMaxAge time.Duration
	// RawMaxBytes, ParsedMaxBytes and LinkMaxBytes limit the streams. When 0,
	// raw takes 60 % of StoreMax, parsed 30 %, link 1 % but at most 64 MiB; the
	// rest is left to consumers and key-value buckets. With an external server
	// StoreMax is unknown: set them or it, else the streams have no byte limit
	// but the server's own.
	RawMaxBytes, ParsedMaxBytes, LinkMaxBytes int64
	// DedupeWindow is how long a stream remembers message ids: 10 min when 0.
	DedupeWindow time.Duration
	// ConnectTimeout bounds the first connection to an external server, and then
	// the wait for its cluster to have elected leaders: 15 s each when 0.
	ConnectTimeout time.Duration

	// Name of the connection and of the embedded server: "assaybus" when empty.
	Name string
	// Log gets what an operator should know; nil discards it.
	Log *slog.Logger
}

// complete fills the defaults in and refuses what cannot work.
func (c Config) complete() (Config, error) {
	c.Data = filepath.Clean(cmp.Or(c.Data, "data"))
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.MemoryMax = cmp.Or(c.MemoryMax, int64(defaultMemory))
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.DedupeWindow = cmp.Or(c.DedupeWindow, DefaultDedupe)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, defaultConnect)
	c.Name = cmp.Or(c.Name, DefaultName)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for name, n := range map[string]int64{
		"store limit": c.StoreMax, "memory limit": c.MemoryMax, "replicas": int64(c.Replicas),
		"raw age": int64(c.RawMaxAge), "parsed age": int64(c.ParsedMaxAge), "raw bytes": c.RawMaxBytes,
		"parsed bytes": c.ParsedMaxBytes, "link bytes": c.LinkMaxBytes, "dedupe window": int64(c.DedupeWindow),
	} {
		if n < 0 {
			return c, fmt.Errorf("%s: must not be negative (got %d)", name, n)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return c, fmt.Errorf("tls: certificate and key go together; set both or neither")
	}
	if c.URL != "" && c.Users != "" {
		return c, fmt.Errorf("ASSAYBUS_NATS_USERS is for the embedded server; an external one has users of its own: log in with ASSAYBUS_NATS_CREDS")
	}
	if c.URL != "" && c.StoreKey != "" {
		return c, fmt.Errorf("ASSAYBUS_STORE_KEY_FILE is for the embedded server; an external one is encrypted by its own configuration (jetstream { key: … })")
	}
	if c.URL != "" {
		return c, nil
	}
	return c, c.checkEmbedded()
}

func (c Config) checkEmbedded() error {
	if c.Creds != "" {
		return fmt.Errorf("credentials file without a server URL: set ASSAYBUS_NATS_URL, or protect the embedded server with ASSAYBUS_NATS_TOKEN")
	}
	if c.Replicas != 1 {
		return fmt.Errorf("replicas: the embedded server keeps one copy (got %d); set 1, or ASSAYBUS_NATS_URL to a cluster", c.Replicas)
	}
	if c.Token != "" && c.Users != "" {
		return fmt.Errorf("ASSAYBUS_NATS_TOKEN and ASSAYBUS_NATS_USERS are two ways to log in; set one")
	}
	host, _, err := c.address()
	if err != nil || host == "" {
		return err
	}
	if !loopback(host) && c.Token == "" && c.Users == "" && c.Cert == "" {
		return fmt.Errorf("nats listen %s: anyone who reaches this address could read and forge results; set ASSAYBUS_NATS_USERS or ASSAYBUS_NATS_TOKEN (or a TLS certificate and key), or listen on 127.0.0.1", c.Listen)
	}
	return nil
}

// address splits Listen; both are zero for ListenNone.
func (c Config) address() (host string, port int, err error) {
	if c.Listen == ListenNone {
		return "", 0, nil
	}
	host, p, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", 0, fmt.Errorf("nats listen: want host:port or %q (got %q): %w", ListenNone, c.Listen, err)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("nats listen: port must be 0 to 65535 (got %q)", p)
	}
	return cmp.Or(host, "0.0.0.0"), int(n), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
