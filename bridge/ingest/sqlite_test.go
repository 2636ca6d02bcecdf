package ingest_test

import (
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge/ingest"
)

func isRefused(err error) bool { return errors.Is(err, ingest.ErrRefused) }

// look is another program that looks at a database: it runs query and returns
// the rows, columns separated by |.
type look func(t testing.TB, query string) []string

// lines are the rows that query gives.
func lines(t testing.TB, db look, query string) []string {
	t.Helper()
	return db(t, query)
}

// split takes a line apart; NULL is empty.
func split(line string) []string {
	words := strings.Split(line, "|")
	for n, w := range words {
		if w == "NULL" {
			words[n] = ""
		}
	}
	return words
}

func openSQLite(t testing.TB, path string) (ingest.Sink, look) {
	t.Helper()
	sink, err := ingest.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	return sink, lookSQLite(t, path)
}

// lookSQLite looks at the file.
func lookSQLite(t testing.TB, path string) look {
	t.Helper()
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return func(t testing.TB, query string) []string {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for rows.Next() {
			fields := make([]sql.NullString, len(names))
			into := make([]any, len(names))
			for n := range fields {
				into[n] = &fields[n]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			words := make([]string, len(names))
			for n, f := range fields {
				words[n] = "NULL"
				if f.Valid {
					words[n] = f.String
				}
			}
			all = append(all, strings.Join(words, "|"))
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return all
	}
}

func TestSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results 100%?.db")
	first, db := openSQLite(t, path)
	testSink(t, func(t *testing.T) (ingest.Sink, look) { // emptied: faster than a new one
		t.Helper()
		for _, query := range []string{"DELETE FROM results", "DELETE FROM orders", "DELETE FROM queries", "DELETE FROM messages", "DELETE FROM failures", "DROP INDEX IF EXISTS one_control"} {
			lines(t, db, query)
		}
		return first, db
	})
}
