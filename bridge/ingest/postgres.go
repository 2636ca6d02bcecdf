package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres is a [Sink] in a PostgreSQL database, over one connection that is
// opened anew when it was lost.
type Postgres struct {
	config *pgx.ConnConfig
	place  string // for errors
	conn   *pgx.Conn
}

const (
	pgConnectTimeout = 10 * time.Second
	// pgLock keeps two ingesters of one database apart, for a transaction.
	pgLock = "SELECT pg_advisory_xact_lock(hashtext('assaybus ingest'))"
)

// OpenPostgres connects to the database of a postgres:// URL and brings its
// tables up to date, in the first schema of the user's search_path. When the
// server cannot be reached it is asked again by Write; a wrong password, a
// database that does not exist and tables of a newer version are errors.
func OpenPostgres(ctx context.Context, url string) (*Postgres, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil { // its text would show what is in the URL
		return nil, errors.New("database: not a PostgreSQL URL; write postgres://user@host:5432/database, and %XX for special characters in a password")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = pgConnectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "assaybus ingest"
	}
	p := &Postgres{config: c, place: Redacted(url)}
	if err := p.connect(ctx); hopeless(err) {
		return nil, errors.Join(fmt.Errorf("database %s: %w", p.place, pgError(err)), p.Close())
	}
	return p, nil
}

// connect opens the connection and migrates, unless it is open.
func (p *Postgres) connect(ctx context.Context) error {
	if p.conn != nil && !p.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return pgMigrate(ctx, tx) }); err != nil {
		_ = conn.Close(ctx)
		return err
	}
	p.conn = conn
	return nil
}

func pgMigrate(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, pgLock); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, schemaTable); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version); err != nil {
		return err
	}
	return migrate("postgres", version, func(m migration) error {
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_version VALUES ($1)", m.version)
		return err
	})
}

// Write implements [Sink].
func (p *Postgres) Write(ctx context.Context, batch []Delivery) error {
	err := p.connect(ctx)
	if err == nil {
		err = pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, pgLock); err != nil {
				return err
			}
			return write(ctx, &postgresTx{tx}, batch)
		})
	}
	if err == nil {
		return nil
	}
	alive := p.conn != nil && !p.conn.IsClosed()
	var reported *pgconn.PgError
	if alive && ctx.Err() == nil && !errors.As(err, &reported) {
		// neither the server's complaint nor the connection's: a value that has no place in its column
		return fmt.Errorf("database %s: %w: a value does not fit its column", p.place, ErrRefused)
	}
	return fmt.Errorf("database %s: %w", p.place, pgError(err))
}

// Close implements [Sink].
func (p *Postgres) Close() error {
	if p.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgConnectTimeout)
	defer cancel()
	return p.conn.Close(ctx)
}

type postgresTx struct{ tx pgx.Tx }

func (t *postgresTx) among(column string) string { return column + " = ANY($1)" }

func (t *postgresTx) exec(ctx context.Context, sql string, parameter any) error {
	_, err := t.tx.Exec(ctx, sql, parameter)
	return err
}

func (t *postgresTx) known(ctx context.Context, ids []string) (map[string][]revision, int64, error) {
	var last int64
	if err := t.tx.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM messages").Scan(&last); err != nil {
		return nil, 0, err
	}
	rows, err := t.tx.Query(ctx, knownSQL(t), ids)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	known := map[string][]revision{}
	for rows.Next() {
		var id string
		var received *time.Time
		var v revision
		if err := rows.Scan(&id, &v.row, &v.number, &v.current, &v.sequence, &v.storedAt, &v.digest, &v.rawSequence, &received); err != nil {
			return nil, 0, err
		}
		v.storedAt = micro(v.storedAt)
		if received != nil {
			v.receivedAt = micro(*received)
		}
		known[id] = append(known[id], v)
	}
	return known, last, rows.Err()
}

func (t *postgresTx) insert(ctx context.Context, table string, rows []row) error {
	names := columns(table)
	if onConflict(table) == "" {
		_, err := t.tx.CopyFrom(ctx, pgx.Identifier{table}, names, pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) { return rows[n], nil }))
		return err
	}
	places := make([]string, len(names))
	for n := range names {
		places[n] = fmt.Sprintf("$%d", n+1)
	}
	query := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ") " + onConflict(table)
	var queue pgx.Batch
	for _, r := range rows {
		queue.Queue(query, r...)
	}
	return t.tx.SendBatch(ctx, &queue).Close()
}

// The SQLSTATEs, and their classes, that need a person or another message.
const (
	classData       = "22"
	classIntegrity  = "23"
	classAuth       = "28"
	classLimit      = "54"
	stateNoDatabase = "3D000"
	stateNoSchema   = "3F000"
	stateForbidden  = "42501"
	stateDiskFull   = "53100"
)

// hopeless reports whether err will not go away by waiting.
func hopeless(err error) bool {
	if _, newer := errors.AsType[*schemaError](err); newer {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code[:2] == classAuth || e.Code == stateNoDatabase || e.Code == stateNoSchema || e.Code[:2] == "42")
}

// pgError is err without text of the server's, which may quote values: its
// SQLSTATE, the constraint's name and the operator's next step.
func pgError(err error) error {
	var e *pgconn.PgError
	var newer *schemaError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &newer):
		return newer
	case errors.As(err, &e):
		return stateError(e)
	case errors.As(err, &dns):
		return fmt.Errorf("not reached: %w; check the URL", dns)
	case errors.As(err, &op):
		return fmt.Errorf("not reached: %w; start it or check the URL", op)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return errors.New("connection lost; the database's log says why")
}

func stateError(e *pgconn.PgError) error {
	what := "SQLSTATE " + e.Code
	if e.ConstraintName != "" {
		what += ", constraint " + e.ConstraintName
	}
	switch {
	case e.Code[:2] == classData, e.Code[:2] == classIntegrity, e.Code[:2] == classLimit:
		return fmt.Errorf("%w: %s", ErrRefused, what)
	case e.Code[:2] == classAuth:
		what += "; check user and password of the URL and pg_hba.conf"
	case e.Code == stateNoDatabase:
		what += "; the database does not exist: create it"
	case e.Code == stateForbidden, e.Code == stateNoSchema:
		what += "; grant the user CREATE and USAGE on the schema"
	case e.Code == stateDiskFull:
		what += "; free space on its disk"
	}
	return errors.New(what)
}
