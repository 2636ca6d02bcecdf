package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

var errLocked = errors.New("in use")

// readyTimeout bounds a start of the embedded server: recovery of a million
// messages takes about a second, an unclean one of a large store longer.
const readyTimeout = 5 * time.Minute

// embedded is a nats-server in this process that can be replaced by a fresh
// one on the same folder, which is the only way out of a frozen stream.
type embedded struct {
	c    Config
	max  int64 // store limit in force
	lock *os.File

	mu  sync.Mutex
	srv *server.Server
	log *serverLog
	tls *tls.Config
	at  string // host:port of the listener, fixed by the first start
}

func startEmbedded(c Config) (*embedded, error) {
	store := filepath.Join(c.Data, server.JetStreamStoreDir)
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, fmt.Errorf("store folder %s: %w; name a folder this user may write in ASSAYBUS_DATA", c.Data, err)
	}
	name := filepath.Join(c.Data, "assaybus.lock")
	lock, err := lockFile(name)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("store folder %s: used by another assaybus; end that one or name another folder in ASSAYBUS_DATA (lock file %s)", c.Data, name)
	}
	if err != nil {
		return nil, fmt.Errorf("store folder %s: %w; name a folder this user may write in ASSAYBUS_DATA", c.Data, err)
	}
	e := &embedded{c: c, lock: lock, at: c.Listen}
	if e.tls, err = serverTLS(c); err == nil {
		e.max = c.StoreMax
		if e.max == 0 {
			e.max = defaultStoreMax(c.Data)
		}
		err = e.start()
	}
	if err != nil {
		unlockFile(lock)
		return nil, err
	}
	return e, nil
}

// defaultStoreMax is 80 % of what is free and what the store has already, so
// that a restart does not shrink it; at least 1 GiB.
func defaultStoreMax(folder string) int64 {
	free, ok := diskFree(folder)
	if !ok {
		return unknownStore
	}
	var used int64
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not counted
		}
		if info, err := d.Info(); err == nil {
			used += info.Size()
		}
		return nil
	})
	return max((free+used)/10*8, minStore)
}

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

func (e *embedded) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: e.c.Name,
		Host:       "127.0.0.1", // the package's default is every interface
		DontListen: e.c.Listen == ListenNone,
		NoSigs:     true, NoLog: true,

		JetStream: true, StoreDir: e.c.Data, DisableJetStreamBanner: true,
		SyncAlways:         true, // a PubAck means fsync
		JetStreamMaxStore:  e.max,
		JetStreamMaxMemory: e.c.MemoryMax,
		MaxPayload:         MaxPayload,
		MaxPending:         4 * MaxPayload,

		Authorization: e.c.Token,
	}
	if e.tls != nil {
		o.TLS, o.TLSConfig, o.TLSVerify = true, e.tls, e.c.CA != ""
		o.TLSTimeout = 5
	}
	c := e.c
	c.Listen = e.at
	host, port, err := c.address()
	if err != nil || host == "" {
		return o, err
	}
	o.Host, o.Port = host, port
	if port == 0 {
		o.Port = server.RANDOM_PORT
	}
	return o, nil
}

func (e *embedded) start() error {
	o, err := e.options()
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("nats-server: %w", err)
	}
	l := &serverLog{log: e.c.Log}
	s.SetLoggerV2(l, l.debug(), false, false)
	s.Start()
	if err = l.failure(); err == nil && !s.ReadyForConnections(readyTimeout) {
		err = fmt.Errorf("not ready after %v", readyTimeout)
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("nats-server on %s with store folder %s: %w; free the address or the folder, or set ASSAYBUS_NATS_LISTEN=none", e.at, e.c.Data, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv, e.log = s, l
	if a := s.Addr(); a != nil {
		e.at = a.String()
	}
	return nil
}

// InProcessConn gives a connection to the server of the moment, so the bus's
// client finds the new one after a restart.
func (e *embedded) InProcessConn() (net.Conn, error) {
	s := e.current()
	if s == nil {
		return nil, errors.New("the embedded server is being restarted")
	}
	return s.InProcessConn()
}

func (e *embedded) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}

// shut ends the server of the moment and waits for it.
func (e *embedded) shut() {
	e.mu.Lock()
	s := e.srv
	e.srv = nil
	e.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

func (e *embedded) close() {
	e.shut()
	unlockFile(e.lock)
}

// unhealthy is the server's own opinion of its streams; nil when they are well.
func (e *embedded) unhealthy() error {
	s := e.current()
	if s == nil {
		return errors.New("the embedded server is not running")
	}
	if h := s.Healthz(&server.HealthzOptions{}); h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

func (e *embedded) url() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.at == ListenNone:
		return ""
	case e.tls != nil:
		return "tls://" + e.at
	}
	return "nats://" + e.at
}

func (b *Bus) connectEmbedded() (*nats.Conn, error) {
	opts := append(b.options(),
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
