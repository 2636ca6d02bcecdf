package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

func (b *Bus) connectEmbedded() (*nats.Conn, error) {
	opts := append(b.options(), b.srv.users.login()...)
	opts = append(opts,
		nats.InProcessServer(b.srv),
		nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectJitter(20*time.Millisecond, 20*time.Millisecond))
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	return nc, nil
}

// options are common to both kinds of connection.
func (b *Bus) options() []nats.Option {
	var once seldom
	shut := sync.OnceFunc(func() { close(b.gone) })
	opts := []nats.Option{
		nats.Name(b.c.Name),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(false), // the first connection is ours to judge: connectExternal
		nats.ReconnectBufSize(-1),        // a publish during an outage fails at once: no ghost stored later
		nats.IgnoreAuthErrorAbort(),
		nats.DrainTimeout(drainTimeout),
		nats.ClosedHandler(func(*nats.Conn) { shut() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("bus disconnected; instruments are refused until it is back", "error", err)
			}
			b.look()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			b.log.Info("bus connected again")
			b.look()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if once.allow(err.Error(), time.Now()) {
				b.log.Error("bus", "error", err)
			}
		}),
	}
	if b.c.Token != "" {
		opts = append(opts, nats.Token(b.c.Token))
	}
	return opts
}

// serverTLS is the embedded listener's; nil without a certificate.
func serverTLS(c Config) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("nats tls: %w; check ASSAYBUS_NATS_TLS_CERT and ASSAYBUS_NATS_TLS_KEY", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if c.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("nats tls: %w; check ASSAYBUS_NATS_TLS_CA", err)
	}
	t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("nats tls: %s holds no certificate; check ASSAYBUS_NATS_TLS_CA", c.CA)
	}
	return t, nil
}

// Reader is a connection of its own for whoever reads much: however slow or
// greedy it is, publications do not wait for it. The caller closes it, before
// the Bus.
func (b *Bus) Reader() (*nats.Conn, error) {
	opts, err := b.options(), error(nil)
	if b.srv != nil {
		opts = append(append(opts, b.srv.users.login()...), nats.InProcessServer(b.srv), nats.ReconnectWait(100*time.Millisecond))
	} else if opts, err = b.externalOptions(); err != nil {
		return nil, err
	}
	opts = append(opts, nats.Name(b.c.Name+" reader"), nats.ClosedHandler(nil), nats.DisconnectErrHandler(nil), nats.ReconnectHandler(nil))
	nc, err := nats.Connect(b.c.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s to read: %w", b.place(), err)
	}
	return nc, nil
}
