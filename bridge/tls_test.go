package bridge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// pki is an authority that makes certificates.
type pki struct {
	t      *testing.T
	folder string
	root   *x509.Certificate
	key    *ecdsa.PrivateKey
	ca     string // its certificate's file
	serial int64
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, folder: t.TempDir()}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	p.root, p.key = p.make(tmpl, nil, nil, "ca")
	p.ca = filepath.Join(p.folder, "ca.pem")
	return p
}

// pair writes a certificate for 127.0.0.1 and bench.lab, good for both ends.
func (p *pki) pair(name string) (cert, key string) {
	p.t.Helper()
	p.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{"bench.lab"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, p.root, p.key, name)
	return filepath.Join(p.folder, name+".pem"), filepath.Join(p.folder, name+".key")
}

func (p *pki) make(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	if parent == nil {
		parent, signer = tmpl, key
	}
	p.serial++
	tmpl.SerialNumber = big.NewInt(p.serial)
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))
	c, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return c, key
}

func (p *pki) write(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, name), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// trusting is a TLS configuration that trusts p's authority and shows the pair.
func (p *pki) trusting(pair ...string) *tls.Config {
	p.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(p.root)
	c := &tls.Config{RootCAs: pool, ClientCAs: pool, ServerName: "127.0.0.1"}
	if len(pair) == 2 {
		own, err := tls.LoadX509KeyPair(pair[0], pair[1])
		if err != nil {
			p.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c
}

func (w *world) callTLS(instrument string, c *tls.Config) (*peer, *tls.Conn) {
	w.t.Helper()
	t := tls.Client(w.call(instrument).Conn, c)
	return newPeer(t), t
}

// tlsClient speaks TLS over a connection that is open.
func tlsClient(p *peer, authority *pki) net.Conn { return tls.Client(p.Conn, authority.trusting()) }

func TestTLS(t *testing.T) {
	p := newPKI(t)
	cert, key := p.pair("bridge")
	w := start(t, fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 9, tls: {cert: '%s', key: '%s'}}\n", cert, key))
	silent := w.call("a1") // keeps nobody from the door
	good, _ := w.callTLS("a1", p.trusting())
	good.say(t, "WBC", "+")
	good.say(t, "RBC", "+")
	if got := w.bus.in("LAB_RAW"); len(got) != 2 || string(got[0].Body) != "WBC" {
		t.Errorf("stored %v", got)
	}

	plain := w.call("a1")
	_, _ = plain.Write([]byte("WBC in the clear\n"))
	plain.hungUp(t)
	w.links.await(t, "a1.disconnected", `"reason":"tls"`)
	old := p.trusting()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, c := w.callTLS("a1", old); c.Handshake() == nil {
		t.Error("TLS 1.1 is spoken")
	}
	good.say(t, "PLT", "+")
	_ = silent.Close()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if c := w.counters("a1"); c.Refused[bridge.RefusedTLS] != 3 {
		t.Errorf("refused %v, want 3 for tls", c.Refused)
	}
	if !strings.Contains(w.logged.String(), "check `tls` of the instrument") {
		t.Error("the log does not say what to check")
	}
}

func TestTLSHandshakeHasADeadline(t *testing.T) {
	p := newPKI(t)
	cert, key := p.pair("bridge")
	text := fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 1, tls: {cert: '%s', key: '%s'}}\n", cert, key)
	w := startWith(t, registry(t, text), func(s *bridge.Server) { bridge.Hurry(s, 50*time.Millisecond, time.Second) })
	w.call("a1").hungUp(t)
	w.links.await(t, "a1.disconnected", `"reason":"tls"`)
	good, _ := w.callTLS("a1", p.trusting()) // the place is free again
	good.say(t, "WBC", "+")
}

func TestMutualTLS(t *testing.T) {
	p, stranger := newPKI(t), newPKI(t)
	cert, key := p.pair("bridge")
	w := start(t, fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 9, tls: {cert: '%s', key: '%s', client_ca: '%s'}}\n", cert, key, p.ca))
	good, _ := w.callTLS("a1", p.trusting(p.pair("analyzer")))
	good.say(t, "WBC", "+")

	without, _ := w.callTLS("a1", p.trusting())
	_, _ = without.Write([]byte("WBC\n"))
	without.hungUp(t)
	foreign := p.trusting()
	foreign.Certificates = stranger.trusting(stranger.pair("analyzer")).Certificates
	forger, _ := w.callTLS("a1", foreign)
	_, _ = forger.Write([]byte("WBC\n"))
	forger.hungUp(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if c := w.counters("a1"); c.Refused[bridge.RefusedTLS] != 2 || c.Messages["result"] != 1 {
		t.Errorf("counters %+v, want 2 refused and 1 message", c)
	}
}

// A renewed certificate is shown to the next caller; files that cannot be
// used leave the old one in force.
func TestTLSCertificateReload(t *testing.T) {
	p := newPKI(t)
	cert, key := p.pair("bridge")
	w := start(t, fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 9, tls: {cert: '%s', key: '%s'}}\n", cert, key))
	shown := func() int64 {
		t.Helper()
		peer, c := w.callTLS("a1", p.trusting())
		peer.say(t, "WBC", "+")
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	first := shown()
	p.pair("bridge") // the same files
	if got := shown(); got != p.serial || got == first {
		t.Errorf("certificate %d is shown, want the renewed %d", got, p.serial)
	}
	p.write("bridge.pem", []byte("half a certifi"))
	if got := shown(); got != p.serial {
		t.Errorf("certificate %d is shown, want %d still", got, p.serial)
	}
	if !strings.Contains(w.logged.String(), "changed certificates not taken") {
		t.Error("nothing was said of the bad file")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != p.serial {
		t.Errorf("certificate %d is shown, want %d still", got, p.serial)
	}
}

// An analyzer that we call must show the certificate of its name; with a pair
// of ours it sees who calls.
func TestTLSWhenWeCall(t *testing.T) {
	p, stranger := newPKI(t), newPKI(t)
	serving := func(config *tls.Config) net.Listener {
		l, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	own := p.trusting(p.pair("analyzer"))
	own.ClientAuth = tls.RequireAndVerifyClientCert
	good := serving(own)
	forged := serving(stranger.trusting(stranger.pair("forger")))
	wrongName := serving(p.trusting(p.pair("other")))
	cert, key := p.pair("bridge")
	w := start(t, fmt.Sprintf(`instruments:
  - {id: good, dial: '%s', protocol: lines, tls: {ca: '%s', cert: '%s', key: '%s', server_name: bench.lab}}
  - {id: forged, dial: '%s', protocol: lines, tls: {ca: '%s'}}
  - {id: name, dial: '%s', protocol: lines, tls: {ca: '%s', server_name: elsewhere.lab}}
`, good.Addr(), p.ca, cert, key, forged.Addr(), p.ca, wrongName.Addr(), p.ca))
	for _, l := range []net.Listener{forged, wrongName} {
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if nc.(*tls.Conn).Handshake() == nil {
			newPeer(nc).hungUp(t)
		}
		_ = nc.Close()
	}
	nc, err := good.Accept()
	if err != nil {
		t.Fatal(err)
	}
	analyzer := newPeer(nc)
	analyzer.say(t, "WBC", "+")
	if got := nc.(*tls.Conn).ConnectionState().PeerCertificates; len(got) != 1 || got[0].Subject.CommonName != "bridge" {
		t.Errorf("the analyzer sees %v", got)
	}
	for _, id := range []string{"forged", "name"} {
		w.links.await(t, id+".disconnected", `"reason":"tls"`)
		if c := w.counters(id); c.Refused[bridge.RefusedTLS] == 0 || len(c.Messages) > 0 {
			t.Errorf("%s: %+v, want it refused for tls", id, c)
		}
	}
}

func TestTLSSettings(t *testing.T) {
	p := newPKI(t)
	cert, key := p.pair("bridge")
	other, _ := p.pair("other")
	f := strings.NewReplacer("CERT", cert, "KEY", key, "OTHER", other, "CA", p.ca, "NONE", filepath.Join(p.folder, "none"))
	for _, tt := range []struct{ name, text, want string }{
		{"nothing said", "  - {id: a, listen: '192.0.2.1:5'}", "instruments.yaml:3:5: instrument \"a\": 192.0.2.1:5 can be reached"},
		{"nothing said, all addresses", "  - {id: a, listen: ':5'}", "`tls: off`"},
		{"nothing said, dialled", "  - {id: a, dial: 'bench:5'}", "`tls: off`"},
		{"loopback", "  - {id: a, listen: 'localhost:5'}\n  - {id: b, listen: '[::1]:5'}\n  - {id: c, dial: '127.0.0.2:5'}", ""},
		{"off", "  - {id: a, listen: ':5', tls: off}", ""},
		{"pair", "  - {id: a, listen: ':5', tls: {cert: CERT, key: KEY}}", ""},
		{"system's authorities", "  - {id: a, dial: 'bench:5', tls: {}}", ""},
		{"another word", "  - {id: a, listen: ':5', tls: on}", "instruments.yaml:3:5: `tls` is off or a mapping"},
		{"unknown key", "  - {id: a, listen: ':5', tls: {crt: CERT}}", `unknown field "crt"`},
		{"no key", "  - {id: a, listen: ':5', tls: {cert: CERT}}", "give both or neither"},
		{"no pair", "  - {id: a, listen: ':5', tls: {client_ca: CA}}", "give cert and key"},
		{"no such file", "  - {id: a, listen: ':5', tls: {cert: NONE, key: KEY}}", "no such file"},
		{"no pair of files", "  - {id: a, listen: ':5', tls: {cert: OTHER, key: KEY}}", "PEM files of one pair"},
		{"no authority", "  - {id: a, listen: ':5', tls: {cert: CERT, key: KEY, client_ca: KEY}}", "holds no certificate"},
		{"ca where it calls us", "  - {id: a, listen: ':5', tls: {cert: CERT, key: KEY, ca: CA}}", "are for instruments that we call"},
		{"client_ca where we call", "  - {id: a, dial: 'x:5', tls: {client_ca: CA}}", "is for instruments that call us"},
		{"two settings of one listener", "  - {id: a, listen: ':5', from: [10.0.0.1], tls: off}\n  - {id: b, listen: ':5', tls: {cert: CERT, key: KEY}}", `instruments.yaml:4:5: instruments "a" and "b" share listener :5 but not ` + "`tls`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "defaults: {protocol: lines}\ninstruments:\n" + f.Replace(tt.text)
			_, err := bridge.Load("instruments.yaml", []byte(text), protocols())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(privacytest.Error(err), tt.want)):
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// What crosses a network in the clear is said at the start, and in the list.
func TestTLSOffIsSaid(t *testing.T) {
	r := registry(t, "defaults: {protocol: lines, tls: off}\ninstruments:\n  - {id: a1, listen: '192.0.2.1:0'}\n  - {id: b1, listen: '127.0.0.1:0'}\n")
	if a, b := r.Instrument("a1").TLS(), r.Instrument("b1").TLS(); a != "off" || b != "" {
		t.Errorf("TLS %q and %q, want off and nothing", a, b)
	}
	w := startWith(t, r)
	w.call("b1").say(t, "WBC", "+")
	if said := w.logged.String(); !strings.Contains(said, "tls: off") || !strings.Contains(said, `"instruments":["a1"]`) {
		t.Errorf("the start does not say that a1 is unprotected: %s", said)
	}
}
