package ingest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// SQLite is a [Sink] in one file. Readers of the file do not hold it up.
type SQLite struct {
	db      *sql.DB
	path    string
	inserts map[string]*sql.Stmt // by table
}

// sqliteTime is how times are written: they sort as text, and SQLite's date
// functions read them.
const sqliteTime = "2006-01-02T15:04:05.000000Z"

// OpenSQLite opens the file, creates it when missing, and brings its tables up
// to date. WAL with synchronous=FULL: a commit survives a power cut.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
	}}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // one writer; prepared statements stay with it
	s := &SQLite{db: db, path: path, inserts: map[string]*sql.Stmt{}}
	if err = s.migrate(ctx); err == nil {
		err = s.prepare(ctx)
	}
	if err != nil {
		_ = db.Close()
		if _, newer := errors.AsType[*schemaError](err); !newer {
			err = fmt.Errorf("%w; name a file that this user may write", sqliteError(err))
		}
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return s, nil
}

func (s *SQLite) migrate(ctx context.Context) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schemaTable); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version); err != nil {
			return err
		}
		return migrate("sqlite", version, func(m migration) error {
			if _, err := tx.ExecContext(ctx, m.sql); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO schema_version VALUES (?)", m.version)
			return err
		})
	})
}

// prepare makes the statements that fill the tables.
func (s *SQLite) prepare(ctx context.Context) error {
	for _, table := range tables() {
		names := columns(table)
		insert, err := s.db.PrepareContext(ctx, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+
			") VALUES (?"+strings.Repeat(", ?", len(names)-1)+") "+onConflict(table))
		if err != nil {
			return err
		}
		s.inserts[table] = insert
	}
	return nil
}

// within commits what do did, or undoes it.
func (s *SQLite) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Write implements [Sink].
func (s *SQLite) Write(ctx context.Context, batch []Delivery) error {
	err := s.within(ctx, func(tx *sql.Tx) error { return write(ctx, &sqliteTx{s, tx}, batch) })
	if err != nil {
		return fmt.Errorf("database %s: %w", s.path, sqliteError(err))
	}
	return nil
}

// Close implements [Sink].
func (s *SQLite) Close() error { return s.db.Close() }

type sqliteTx struct {
	s  *SQLite
	tx *sql.Tx
}

func (t *sqliteTx) among(column string) string {
	return column + " IN (SELECT value FROM json_each(?))"
}

func (t *sqliteTx) exec(ctx context.Context, sql string, parameter any) error {
	_, err := t.tx.ExecContext(ctx, sql, jsonList(parameter))
	return err
}

func (t *sqliteTx) known(ctx context.Context, ids []string) (map[string][]revision, int64, error) {
	var last int64
	if err := t.tx.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM messages").Scan(&last); err != nil {
		return nil, 0, err
	}
	rows, err := t.tx.QueryContext(ctx, knownSQL(t), jsonList(ids))
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	known := map[string][]revision{}
	for rows.Next() {
		var id, stored string
		var received sql.NullString
		var v revision
		if err := rows.Scan(&id, &v.row, &v.number, &v.current, &v.sequence, &stored, &v.digest, &v.rawSequence, &received); err != nil {
			return nil, 0, err
		}
		if v.storedAt, err = time.Parse(sqliteTime, stored); err != nil {
			return nil, 0, errors.New("messages.stored_at: not a time of ours")
		}
		v.receivedAt = instant(received.String)
		known[id] = append(known[id], v)
	}
	return known, last, rows.Err()
}

func (t *sqliteTx) insert(ctx context.Context, table string, rows []row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the driver starts a goroutine for each statement that may be cancelled
	insert := t.tx.StmtContext(ctx, t.s.inserts[table])
	for _, r := range rows {
		for n, v := range r {
			if at, ok := v.(time.Time); ok {
				r[n] = at.Format(sqliteTime)
			}
		}
		if _, err := insert.ExecContext(ctx, r...); err != nil {
			return err
		}
	}
	return nil
}

// jsonList is a parameter that json_each reads.
func jsonList(values any) string {
	body, err := json.Marshal(values)
	if err != nil {
		panic("a list of strings or numbers always encodes: " + err.Error())
	}
	return string(body)
}

// sqliteError is the code of err with the operator's next step, never its
// text.
func sqliteError(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	name := sqlite.ErrorCodeString[e.Code()&0xff]
	switch e.Code() & 0xff {
	case lib.SQLITE_TOOBIG, lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE:
		return fmt.Errorf("%w: sqlite code %d %s", ErrRefused, e.Code(), name)
	case lib.SQLITE_FULL:
		name += "; free space on its disk"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		name += "; another program keeps it locked"
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		name += "; restore it from a copy, or name another file and ingest from the bus again"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR, lib.SQLITE_PERM:
		name += "; check the folder, its disk and its permissions"
	}
	return fmt.Errorf("sqlite code %d %s", e.Code(), name)
}
