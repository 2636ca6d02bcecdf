//go:build postgres

// These tests run a PostgreSQL server of their own: `make postgres`.

package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// server is a PostgreSQL server in a temporary folder, reached by a socket.
type server struct {
	folder  string
	owner   *syscall.Credential // nil = us
	program string
	process *exec.Cmd
	schemas int
}

// pgProgram finds a program of PostgreSQL, which Debian keeps off the PATH.
func pgProgram(t *testing.T, name string) string {
	t.Helper()
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("there is no %s: apt-get install postgresql", name)
	}
	return slices.Max(found)
}

// newServer makes a server that start starts. PostgreSQL refuses to run as
// root: another user does it then.
func newServer(t *testing.T) *server {
	t.Helper()
	folder := t.TempDir()
	s := &server{folder: folder, program: pgProgram(t, "postgres")}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			u, err = user.Lookup("nobody")
		}
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := errors.Join(os.Chown(folder, uid, gid), os.Chmod(filepath.Dir(folder), 0o711)); err != nil {
			t.Fatal(err)
		}
	}
	initdb := s.command(pgProgram(t, "initdb"), "-D", filepath.Join(folder, "data"), "-U", "assaybus", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	return s
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = s.folder
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return c
}

func (s *server) start(t *testing.T) {
	t.Helper()
	var log bytes.Buffer
	s.process = s.command(s.program, "-D", filepath.Join(s.folder, "data"), "-k", s.folder, "-c", "listen_addresses=", "-c", "fsync=off")
	s.process.Stderr = &log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.After(30 * time.Second)
	for {
		conn, err := pgx.Connect(t.Context(), s.url("public"))
		if err == nil {
			_ = conn.Close(t.Context())
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			s.stop()
			t.Fatalf("the server does not start: %v\n%s", err, log.String())
		}
	}
}

// stop ends the server and the connections to it.
func (s *server) stop() {
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGINT)
		_ = s.process.Wait()
		s.process = nil
	}
}

// url names the database with one schema first in the search path.
func (s *server) url(schema string) string {
	q := url.Values{"host": {s.folder}, "user": {"assaybus"}, "search_path": {schema}}
	return "postgres:///postgres?" + q.Encode()
}

// fresh is an empty schema, and a second look at it.
func (s *server) fresh(t *testing.T) (target string, db look) {
	t.Helper()
	s.schemas++
	target = s.url(fmt.Sprint("test", s.schemas))
	db = func(t testing.TB, query string) []string {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		rows, err := conn.Query(t.Context(), query, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var words []string
			for _, v := range rows.RawValues() {
				if v == nil {
					v = []byte("NULL")
				}
				words = append(words, string(v))
			}
			all = append(all, strings.Join(words, "|"))
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return all
	}
	lines(t, db, fmt.Sprint("CREATE SCHEMA test", s.schemas))
	return target, db
}

func (s *server) open(t *testing.T) (ingest.Sink, look) {
	t.Helper()
	target, db := s.fresh(t)
	sink, err := ingest.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	return sink, db
}

// again opens the same tables, emptied: faster than new ones.
func (s *server) again(t *testing.T) func(*testing.T) (ingest.Sink, look) {
	target, db := s.fresh(t)
	return func(t *testing.T) (ingest.Sink, look) {
		t.Helper()
		sink, err := ingest.Open(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sink.Close() })
		lines(t, db, "DELETE FROM messages; DELETE FROM failures; DROP INDEX IF EXISTS one_control")
		return sink, db
	}
}

func TestPostgres(t *testing.T) {
	s := newServer(t)
	s.start(t)
	t.Cleanup(s.stop)
	t.Run("contract", func(t *testing.T) { testSink(t, s.again(t)) })
	t.Run("killed", func(t *testing.T) {
		target, db := s.fresh(t)
		testKilled(t, target, db)
	})
	t.Run("poison", func(t *testing.T) { testPoison(t, s.open) })
	t.Run("newer schema", func(t *testing.T) {
		target, db := s.fresh(t)
		testNewerSchema(t, target, db)
	})
	t.Run("index row too long", s.testTooLong)
	t.Run("hopeless", s.testHopeless)
	t.Run("outage", s.testOutage) // the last: it stops the server
}

// A specimen id that no index takes is a failure, not a stop. Its error holds
// nothing of it.
func (s *server) testTooLong(t *testing.T) {
	sink, _ := s.open(t)
	long := make([]byte, 0, 100_000)
	for n := range 20_000 {
		long = strconv.AppendInt(long, int64(n*7919), 36) // does not compress below a page
	}
	err := sink.Write(t.Context(), []ingest.Delivery{delivered(t, 1, of("a", result(string(long), "WBC", "5.9", "F")))})
	if !isRefused(err) {
		t.Fatalf("got %v, want an error of ErrRefused", err)
	}
	if !strings.Contains(privacytest.Error(err), "SQLSTATE 54000") || len(privacytest.Error(err)) > 200 {
		t.Errorf("error %q", err)
	}
}

func (s *server) testHopeless(t *testing.T) {
	missing := strings.Replace(s.url("public"), "/postgres?", "/nowhere?", 1)
	if _, err := ingest.Open(t.Context(), missing); err == nil || !strings.Contains(privacytest.Error(err), "create it") {
		t.Errorf("missing database: got %v", err)
	}
	unknown := strings.Replace(s.url("public"), "user=assaybus", "user=nobody", 1)
	if _, err := ingest.Open(t.Context(), unknown); err == nil || !strings.Contains(privacytest.Error(err), "check user and password") {
		t.Errorf("unknown user: got %v", err)
	}
	if _, err := ingest.Open(t.Context(), "postgres://u:secret@h:port/d"); err == nil || strings.Contains(privacytest.Error(err), "secret") {
		t.Errorf("bad URL: got %v", err)
	}
}

// A database that is stopped in the middle, and is away when ingest starts.
func (s *server) testOutage(t *testing.T) {
	bus := openBus(t)
	target, db := s.fresh(t)
	s.stop()
	sink, err := ingest.Open(t.Context(), target)
	if err != nil {
		t.Fatalf("a server that is away: %v", err)
	}
	defer sink.Close()
	log := newSaid()
	ctx, cancel := context.WithCancel(t.Context())
	steps := make(chan ingest.Progress, 1000)
	over := make(chan error, 1)
	i := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: sink, Log: log.logger(), Progress: func(p ingest.Progress) { steps <- p }})
	go func() { over <- i.Run(ctx) }()
	publishMany(t, bus, 40, 5)
	log.await(t, "takes no results")
	s.start(t)
	log.await(t, "takes results again")
	awaitMessages(t, steps, 40)
	s.stop()
	for k := range 40 {
		publishMessage(t, bus, 41+k, blood(41+k, 5), "")
	}
	log.await(t, "takes no results")
	s.start(t)
	log.await(t, "takes results again")
	awaitMessages(t, steps, 80)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if got := log.count("takes no results"); got != 2 {
		t.Errorf("the outages were said %d times, want 2", got)
	}
	if got := lines(t, db, "SELECT count(*), count(DISTINCT (specimen, code)) FROM results WHERE current"); got[0] != "400|400" {
		t.Errorf("results: %s, want 400|400", got[0])
	}
}
