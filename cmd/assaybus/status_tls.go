package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
)

// client speaks TLS as the flags say.
func (f *statusFlags) client() (*http.Client, error) {
	secret := &tls.Config{MinVersion: tls.VersionTLS12}
	if (f.cert == "") != (f.key == "") {
		return nil, errors.New("--cert needs --key, and the other way round")
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --key: %w", err)
		}
		secret.Certificates = []tls.Certificate{pair}
	}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if secret.RootCAs = x509.NewCertPool(); !secret.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca: %s holds no certificate in PEM form", f.ca)
		}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: secret, Proxy: http.ProxyFromEnvironment}}, nil
}

// unreached is the next step when the bridge could not be asked.
func unreached(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var refused *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "name the authority of its certificate with --ca"
	case errors.As(err, &name):
		return "name the page with --url as its certificate does"
	case errors.As(err, &refused) && refused.Op == "remote error": // a TLS alert
		return "it asks for a certificate that it trusts: name one with --cert and --key"
	}
	return "start assaybus serve, or name its page with --url"
}
