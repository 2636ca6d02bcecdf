package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
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

	users *accounts // nil = no users file
	key   string    // of the store; "" = not encrypted

	staging staging // in memory, where batches are collected

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
	e.tls, err = serverTLS(c)
	if err == nil {
		e.users, err = openAccounts(c.Users)
	}
	if err == nil {
		e.key, err = storeKey(c.StoreKey)
	}
	if err == nil {
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
		if err == nil && !d.IsDir() { // what cannot be read is not counted
			if info, err := d.Info(); err == nil {
				used += info.Size()
			}
		}
		return nil
	})
	return max((free+used)/10*8, minStore)
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
		Users:         e.users.server(),
	}
	if e.key != "" {
		o.JetStreamKey, o.JetStreamCipher = e.key, server.AES
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
	e.dropForeignLinks()
	staged := e.staged()
	s.Start()
	if err = l.failure(); err == nil && !s.ReadyForConnections(readyTimeout) {
		err = fmt.Errorf("not ready after %v", readyTimeout)
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("nats-server on %s with store folder %s: %w; free the address or the folder, or set ASSAYBUS_NATS_LISTEN=none", e.at, e.c.Data, err)
	}
	e.unstage(staged) // batches that a crash had cut off are whole now
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
	e.unstage(e.staged())
	unlockFile(e.lock)
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

// streamFolders are the folders of streams, of all accounts, that the store
// holds, recovered or not.
func (e *embedded) streamFolders() []string {
	var list []string
	store := filepath.Join(e.c.Data, server.JetStreamStoreDir)
	accounts, _ := os.ReadDir(store) // the server has just read it
	for _, a := range accounts {
		at := filepath.Join(store, a.Name(), "streams")
		streams, _ := os.ReadDir(at)
		for _, s := range streams {
			if s.IsDir() && s.Name()[0] != '.' { // a dot: deleted, not yet removed
				list = append(list, filepath.Join(at, s.Name()))
			}
		}
	}
	return list
}
