package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// status --watch draws anew, shows what changed, outlives a bridge that is
// away, and SIGINT is its orderly end.
func TestStatusWatch(t *testing.T) {
	var asked atomic.Int32
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		if n == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s := bridge.Snapshot{At: time.Now(), Store: bridge.StoreState{Healthy: true}, Instruments: []bridge.Counters{{Instrument: "xn1000", State: bridge.StateConnected}}}
		if n > 2 {
			s.Instruments[0].State, s.Instruments[0].Problem = bridge.StateRefusing, "disk full"
		}
		_ = json.NewEncoder(w).Encode(s)
	}))
	defer page.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "status", "--watch", "--url", page.URL)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var drawn, all strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text := lines.Text()
		all.WriteString(text + "\n")
		if strings.HasPrefix(text, "\x1b[H\x1b[2J") {
			drawn.WriteByte('|')
		}
		switch {
		case strings.Contains(text, "connected"):
			drawn.WriteString("well")
		case strings.Contains(text, "502"):
			drawn.WriteString(" away ")
		case strings.Contains(text, "disk full"):
			drawn.WriteString("ill")
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGINT ends it with %v, want exit 0", err)
	}
	if got := drawn.String(); got != "|well away |ill" {
		t.Errorf("drawn %q:\n%q", got, all.String())
	}
}

// An instrument of a running bridge that needs somebody makes it exit 1.
func TestStatusOfAnIllInstrument(t *testing.T) {
	s := startServe(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', silent_after: 1ms}\n  - {id: b1, listen: '127.0.0.1:0'}\n")
	s.await("a1", "silent", func(c bridge.Counters) bool { return c.State == bridge.StateSilent })
	for _, args := range [][]string{{"status", "--url", s.page}, {"status", "--json", "--url", s.page}} {
		code, stdout, stderr := runText(t, "", args...)
		if code != exitFailed || !strings.Contains(stderr, "1 instrument: needs attention") || !strings.Contains(stdout, "silent_after") {
			t.Errorf("%v: exit %d, %s\n%s", args, code, stderr, stdout)
		}
	}
}

// A page with TLS that asks for certificates is asked with one.
func TestStatusOfATLSPage(t *testing.T) {
	cert, key := ownCertificate(t)
	for name, file := range map[string]string{"CA": cert, "CERT": cert, "KEY": key} {
		t.Setenv("ASSAYBUS_HTTP_TLS_"+name, file)
	}
	s := startServe(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0'}\n")
	if !strings.HasPrefix(s.page, "https://") {
		t.Fatalf("the page is at %s", s.page)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"all":               {[]string{"--ca", cert, "--cert", cert, "--key", key}, exitOK, "a1"},
		"no authority":      {nil, exitFailed, "name the authority of its certificate with --ca"},
		"no certificate":    {[]string{"--ca", cert}, exitFailed, "it asks for a certificate that it trusts: name one with --cert and --key"},
		"another name":      {[]string{"--ca", cert, "--cert", cert, "--key", key, "--url", strings.Replace(s.page, "127.0.0.1", "localhost", 1)}, exitFailed, "name the page with --url as its certificate does"},
		"half a pair":       {[]string{"--ca", cert, "--cert", cert}, exitUsage, "--cert needs --key"},
		"no such pair":      {[]string{"--cert", "gone.pem", "--key", "gone.key"}, exitUsage, "--cert, --key: open gone.pem"},
		"no such authority": {[]string{"--ca", "gone.pem"}, exitUsage, "--ca: open gone.pem"},
		"no authority's":    {[]string{"--ca", "status.go"}, exitUsage, "holds no certificate in PEM form"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := runText(t, "", append([]string{"status", "--url", s.page}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, c.code, c.want, stdout, stderr)
			}
		})
	}
}

// ownCertificate makes a certificate for 127.0.0.1 that is its own authority
// and serves as both ends.
func ownCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "assaybus test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: kder}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
