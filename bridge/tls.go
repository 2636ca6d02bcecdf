package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// tlsSpec is the key `tls`: `off`, or the PEM files of a link. The zero value
// is a link without the key.
type tlsSpec struct {
	Cert       string `yaml:"cert"`        // our certificate, with those between it and the authority
	Key        string `yaml:"key"`         // its key
	ClientCA   string `yaml:"client_ca"`   // listening: whose certificates instruments must show
	CA         string `yaml:"ca"`          // dialling: who signs instruments; empty = the system's authorities
	ServerName string `yaml:"server_name"` // dialling: the name in the certificate; empty = the host of `dial`

	State tlsState `yaml:"-"`
}

type tlsState int

const (
	tlsUnsaid tlsState = iota
	tlsOff
	tlsOn
)

// UnmarshalYAML reads the word or the mapping. What stands on an instrument
// replaces the whole of what stands in `defaults`.
func (t *tlsSpec) UnmarshalYAML(node ast.Node) error {
	if text, ok := node.(*ast.StringNode); ok && text.Value == "off" {
		*t = tlsSpec{State: tlsOff}
		return nil
	}
	if node.Type() != ast.MappingType && node.Type() != ast.MappingValueType {
		return fmt.Errorf("`tls` is off or a mapping: {cert: FILE, key: FILE}")
	}
	type plain tlsSpec // without this method
	var p plain
	if err := yaml.NodeToValue(node, &p, yaml.Strict()); err != nil {
		return err
	}
	*t = tlsSpec(p)
	t.State = tlsOn
	return nil
}

// build checks the setting of a link that listens or dials there and reads its
// files; nil without TLS.
func (t tlsSpec) build(listen, dial string) (*credentials, error) {
	addr := listen + dial
	switch {
	case t.State == tlsUnsaid && !loopback(addr):
		return nil, fmt.Errorf("%s can be reached from, or is on, another machine and nothing is said of TLS: give it `tls: {cert: FILE, key: FILE}`, or write `tls: off` if the analyzer cannot: then whoever is on its network can read and forge results", addr)
	case t.State != tlsOn:
		return nil, nil
	case (t.Cert == "") != (t.Key == ""):
		return nil, errors.New("tls: cert and key go together: give both or neither")
	case listen != "" && t.Cert == "":
		return nil, errors.New("tls: an instrument that calls us must be shown a certificate: give cert and key")
	case listen != "" && t.CA+t.ServerName != "":
		return nil, errors.New("tls: ca and server_name are for instruments that we call; client_ca is for those that call us")
	case dial != "" && t.ClientCA != "":
		return nil, errors.New("tls: client_ca is for instruments that call us; ca is for those that we call")
	}
	c := &credentials{spec: t, server: t.ServerName}
	if host, _, err := net.SplitHostPort(dial); err == nil && c.server == "" {
		c.server = host
	}
	_, err := c.current()
	return c, err
}

// loopback tells whether addr stays inside this machine.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// credentials are the TLS settings of one link, read again when their files
// change: a renewed certificate needs no restart.
type credentials struct {
	spec   tlsSpec
	server string // the name we expect when we dial

	mu     sync.Mutex
	stamp  string // of the files that config was made from
	config *tls.Config
}

// current is the newest configuration that the files give. When they cannot
// be read any more, the last good one comes with the reason.
func (c *credentials) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp, err := c.files()
	if err == nil && stamp == c.stamp {
		return c.config, nil
	}
	if err == nil {
		var fresh *tls.Config
		if fresh, err = c.read(); err == nil {
			c.config, c.stamp = fresh, stamp
		}
	}
	return c.config, err
}

// files changes when one of the files does.
func (c *credentials) files() (string, error) {
	var b strings.Builder
	for _, name := range []string{c.spec.Cert, c.spec.Key, c.spec.ClientCA, c.spec.CA} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("tls: %w: name a file that this user may read", err)
		}
		fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}

func (c *credentials) read() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.server}
	if c.spec.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.spec.Cert, c.spec.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: %s and %s: %w: cert and key are PEM files of one pair", c.spec.Cert, c.spec.Key, err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	var err error
	if c.spec.ClientCA != "" {
		t.ClientAuth = tls.RequireAndVerifyClientCert
		if t.ClientCAs, err = authorities(c.spec.ClientCA); err != nil {
			return nil, err
		}
	}
	if c.spec.CA != "" {
		if t.RootCAs, err = authorities(c.spec.CA); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func authorities(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("tls: %w: name a file that this user may read", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls: %s holds no certificate: name a PEM file", name)
	}
	return pool, nil
}

// secure puts TLS on nc if the link of i has it; the handshake comes later, in
// the session's goroutine.
func (s *Server) secure(i *Instrument, nc net.Conn) net.Conn {
	if i.tls == nil {
		return nc
	}
	config, err := i.tls.current()
	if err != nil {
		s.say.warn("tls:"+i.ID, "changed certificates not taken; the old ones stay in force", "instrument", i.ID, "error", err)
	}
	if i.Dial != "" {
		return tls.Client(nc, config)
	}
	return tls.Server(nc, config)
}

var errHandshake = errors.New("tls handshake")

// handshake is the first thing on a link with TLS. A caller who cannot do it
// in time is refused.
func (c *conn) handshake(ctx context.Context) error {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.server.bounds.greeting)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.status.refuse(RefusedTLS)
		return fmt.Errorf("%w: %w; check `tls` of the instrument, and that its side speaks TLS 1.2 or newer", errHandshake, err)
	}
	return nil
}

// TLS says how the link of i is protected: "mutual", "on", "off", or "" for a
// link that stays inside this machine.
func (i *Instrument) TLS() string {
	switch t := i.spec.Options.TLS; {
	case t.State == tlsOn && (t.ClientCA != "" || i.Dial != "" && t.Cert != ""):
		return "mutual"
	case t.State == tlsOn:
		return "on"
	case loopback(i.Listen + i.Dial):
		return ""
	}
	return "off"
}

// plain are the instruments whose results cross a network unprotected.
func (r *Registry) plain() []string {
	var ids []string
	for _, i := range r.Instruments {
		if i.TLS() == "off" {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// bounds are how long a peer may let us wait where no protocol says so.
type bounds struct {
	greeting time.Duration // a PROXY header, a TLS handshake
	write    time.Duration // for a peer that never reads our answers
}

func standardBounds() bounds {
	return bounds{greeting: 10 * time.Second, write: 10 * time.Second}
}
