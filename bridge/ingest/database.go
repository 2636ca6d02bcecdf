package ingest

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// transaction is one transaction of a database as [write] needs it. The SQL
// that it gets is common to both; among(column) is the condition that column
// is in the one parameter, a []string or []int64.
type transaction interface {
	among(column string) string
	exec(ctx context.Context, sql string, parameter any) error
	// known returns the revisions of the messages, by message id, and the
	// highest messages.id.
	known(ctx context.Context, ids []string) (map[string][]revision, int64, error)
	// insert leaves failures out whose id is there already.
	insert(ctx context.Context, table string, rows []row) error
}

// write puts batch into the tables: all that a sink does between begin and
// commit.
func write(ctx context.Context, tx transaction, batch []Delivery) error {
	known, last, err := tx.known(ctx, ids(batch))
	if err != nil {
		return err
	}
	p := newPlan(batch, known, last+1)
	for _, table := range tables() {
		if rows := p.rows[table]; len(rows) > 0 {
			if err := tx.insert(ctx, table, rows); err != nil {
				return err
			}
		}
	}
	if len(p.retired) > 0 {
		for _, sql := range retireSQL(tx) {
			if err := tx.exec(ctx, sql, p.retired); err != nil {
				return err
			}
		}
	}
	if len(p.refresh) > 0 {
		return tx.exec(ctx, correctSQL(tx), p.refresh)
	}
	return nil
}

// retireSQL keeps older revisions as what they are: not the newest.
func retireSQL(tx transaction) []string {
	return []string{
		"UPDATE messages SET current = FALSE WHERE " + tx.among("id"),
		"UPDATE results SET current = FALSE, corrected_by = NULL WHERE " + tx.among("message"),
		"UPDATE orders SET current = FALSE WHERE " + tx.among("message"),
		"UPDATE queries SET current = FALSE WHERE " + tx.among("message"),
	}
}

// correctSQL says anew which results are corrected, among those that share
// specimen and code with a result of the messages given.
//
// The results of newest revisions that have kind, site, instrument, specimen,
// code and aspect in common stand in the order in which they were received.
// One that is followed by a result of status C is corrected by it: the nearest
// before, so that a number that the laboratory uses again next day is safe,
// and never one of another patient. The rule looks at nothing but the rows, so
// the order in which messages are ingested, replayed or repeated is no matter.
func correctSQL(tx transaction) string {
	return `
WITH touched AS (
	SELECT DISTINCT r.kind, r.site, r.instrument, r.specimen, r.code, r.aspect
	FROM messages m JOIN results r ON r.message = m.id
	WHERE ` + tx.among("m.message_id") + ` AND r.specimen IS NOT NULL AND r.code IS NOT NULL
), chain AS (
	SELECT r.message, r.item, r.patient,
		lead(r.status) OVER w AS next_status, lead(r.message) OVER w AS next_message, lead(r.patient) OVER w AS next_patient
	FROM touched t
	JOIN results r ON r.specimen = t.specimen AND r.code = t.code AND r.kind = t.kind
		AND r.site = t.site AND r.instrument = t.instrument AND r.aspect = t.aspect
	JOIN messages m ON m.id = r.message AND m.current
	WINDOW w AS (
		PARTITION BY r.kind, r.site, r.instrument, r.specimen, r.code, r.aspect
		ORDER BY r.raw_sequence, r.message, r.item)
), verdict AS (
	SELECT message, item, CASE
		WHEN next_status = '` + statusCorrected + `' AND (patient IS NULL OR next_patient IS NULL OR patient = next_patient)
		THEN next_message END AS corrector
	FROM chain
)
UPDATE results SET corrected_by = v.corrector, current = (v.corrector IS NULL)
FROM verdict v
WHERE results.message = v.message AND results.item = v.item AND results.corrected_by IS DISTINCT FROM v.corrector`
}

// onConflict ends the INSERT of a table: a failure that is there already is
// no news, and anything else twice is a mistake of ours.
func onConflict(table string) string {
	if table == tableFailures {
		return "ON CONFLICT (id) DO NOTHING"
	}
	return ""
}

// knownSQL asks for the revisions of the messages given.
func knownSQL(tx transaction) string {
	return "SELECT message_id, id, revision, current, sequence, stored_at, digest, raw_sequence, received_at FROM messages WHERE " + tx.among("message_id")
}

// migration is one step of the tables.
type migration struct {
	version int
	sql     string
}

// steps are the migrations of a dialect, from version 1.
func steps(dialect string) ([]migration, error) {
	names, err := fs.Glob(migrations, "migrations/"+dialect+"/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []migration
	for n, name := range names {
		body, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], "_")
		if version, err := strconv.Atoi(number); err != nil || version != n+1 {
			return nil, fmt.Errorf("migration %s: must be number %d", name, n+1)
		}
		all = append(all, migration{n + 1, string(body)})
	}
	return all, nil
}

// schemaTable notes which migrations were applied.
const schemaTable = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)`

// migrate applies what is missing, within one transaction that begin and its
// caller hold: version reads the highest applied one, apply executes one step
// and notes it.
func migrate(dialect string, version int, apply func(migration) error) error {
	all, err := steps(dialect)
	if err != nil {
		return err
	}
	if version > len(all) {
		return &schemaError{version, len(all)}
	}
	for _, m := range all[version:] {
		if err := apply(m); err != nil {
			return fmt.Errorf("schema version %d: %w", m.version, err)
		}
	}
	return nil
}

// schemaError is a database of a newer assaybus.
type schemaError struct{ has, knows int }

func (e *schemaError) Error() string {
	return fmt.Sprintf("its tables have version %d, this assaybus knows %d; upgrade assaybus or name another database", e.has, e.knows)
}
