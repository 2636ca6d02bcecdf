package main

import (
	"errors"
	"fmt"
	"net"
)

// minToken is the fewest characters of a token that nobody guesses.
const minToken = 16

// checkHTTP keeps the page from those who could read results on an open port.
func (c config) checkHTTP() []error {
	var problems []error
	complain := func(name, text string) {
		problems = append(problems, fmt.Errorf("%s_HTTP%s: %s", prefix, name, text))
	}
	t := c.HTTP_TLS
	for _, f := range []struct{ name, path string }{{"_TLS_CA", t.CA}, {"_TLS_CERT", t.Cert}, {"_TLS_KEY", t.Key}} {
		if err := readable(f.path); err != nil {
			complain(f.name, err.Error())
		}
	}
	switch {
	case (t.Cert == "") != (t.Key == ""):
		complain("_TLS_CERT", "needs ASSAYBUS_HTTP_TLS_KEY, and the other way round: set both or none")
	case t.CA != "" && t.Cert == "":
		complain("_TLS_CA", "asks callers for certificates, which needs ASSAYBUS_HTTP_TLS_CERT and _KEY too")
	}
	if c.HTTP_Token != "" && len(c.HTTP_Token) < minToken {
		complain("_TOKEN", fmt.Sprintf("must be at least %d characters", minToken)) // never shown
	}
	if c.HTTP == none {
		return problems
	}
	if err := address(c.HTTP); err != nil {
		complain("", fmt.Sprintf("%v (got %q)", err, c.HTTP))
	} else if !loopback(c.HTTP) && c.HTTP_Token == "" && t.CA == "" {
		complain("", fmt.Sprintf("%v (got %q)", errOpenHTTP, c.HTTP))
	}
	return problems
}

var errOpenHTTP = errors.New("can be reached from other machines: set ASSAYBUS_HTTP_TOKEN, or TLS with ASSAYBUS_HTTP_TLS_CA, or listen on 127.0.0.1")

// loopback reports whether only this machine reaches host:port.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
