package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A gateway that changes the schema or begins an epoch takes this advisory lock: "2ndg" and a
// number. Advisory locks belong to the database, so all schemas share this one.
const (
	lockSpace  = 0x326e6467
	lockSchema = 1
)

// schemaSteps is the newest schema version that this program knows.
func schemaSteps() int {
	steps, _ := fs.Glob(migrations, "migrations/*.sql") // they are embedded
	return len(steps)
}

// migrate brings the tables up to date, in one transaction, one gateway at a time.
func (b *Backend) migrate(ctx context.Context) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if version, err := b.schemaVersion(ctx, b.pool); err != nil || version == len(steps) {
		return errors.Join(err, newer(version, len(steps)))
	}
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockSpace, lockSchema); err != nil {
			return err
		}
		version, err := b.schemaVersion(ctx, tx)
		if err == nil {
			err = newer(version, len(steps))
		}
		if err != nil || version == len(steps) {
			return err
		}
		for _, step := range steps[version:] {
			text, err := migrations.ReadFile(step)
			if err == nil {
				_, err = tx.Exec(ctx, b.sql(string(text)), pgx.QueryExecModeSimpleProtocol)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
		_, err = tx.Exec(ctx, b.sql("UPDATE @.app_data_meta SET version = $1"), len(steps))
		return err
	})
}

// newer fails if the tables are of a version that this program does not know.
func newer(version, known int) error {
	if version > known {
		return fmt.Errorf("the tables were made by a newer secondgate (schema %d, this one knows %d): "+
			"upgrade secondgate", version, known)
	}
	return nil
}

// schemaVersion is the version of the tables, 0 if there are none. It fails on tables of our names
// that are not ours.
func (b *Backend) schemaVersion(ctx context.Context, q querier) (version int, err error) {
	var documents, meta *string
	const names = "SELECT to_regclass('@.app_data')::text, to_regclass('@.app_data_meta')::text"
	if err := q.QueryRow(ctx, b.sql(names)).Scan(&documents, &meta); err != nil {
		return 0, err
	}
	switch {
	case meta == nil && documents != nil:
		return 0, errors.New("there is a table app_data that secondgate has not made: " +
			"name another schema with ?schema=")
	case meta == nil:
		return 0, nil
	}
	err = q.QueryRow(ctx, b.sql("SELECT version FROM @.app_data_meta")).Scan(&version)
	return version, err
}

// marksSQL is the numbers of the triggers and of the transactions that last changed them. The
// numbers differ after a trigger was dropped or disabled and restored, even in one transaction. The
// log may lack changes then.
const marksSQL = `SELECT md5(concat(
	(SELECT string_agg(concat(oid, '/', xmin), ' ' ORDER BY oid) FROM pg_trigger
		WHERE tgrelid = '@.app_data'::regclass AND tgname LIKE 'app\_data\_%'),
	(SELECT string_agg(concat(p.oid, '/', p.xmin), ' ' ORDER BY p.oid) FROM pg_proc AS p
		WHERE p.oid IN (SELECT tgfoid FROM pg_trigger WHERE tgrelid = '@.app_data'::regclass
				AND tgname LIKE 'app\_data\_%')
			OR p.proname = 'app_data_log' AND p.pronamespace = (SELECT relnamespace FROM pg_class
				WHERE oid = '@.app_data'::regclass)),
	(SELECT string_agg(concat(seqrelid, '/', xmin), ' ') FROM pg_sequence
		WHERE seqrelid = pg_get_serial_sequence('@.app_data_changes', 'seq')::regclass)))`

// ensureEpoch begins a new epoch if the old one is lost, has come here in a dump, or is that of
// other triggers. In the first two cases the log may hold numbers of transactions that the server
// will use again, in the last one it may lack changes: so the whole log is dropped.
func (b *Backend) ensureEpoch(ctx context.Context) error {
	select {
	case b.epochLock <- struct{}{}:
		defer func() { <-b.epochLock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	const here = "(SELECT system_identifier::text || '/' || (" + marksSQL + ") FROM pg_control_system()), " +
		"'@.app_data_changes'::regclass"
	const token = "SELECT EXISTS (SELECT FROM @.app_data_epoch WHERE (system, log) = (" + here + "))"
	var exists bool
	if err := b.pool.QueryRow(ctx, b.sql(token)).Scan(&exists); err != nil || exists {
		return err
	}
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, %d)", lockSpace, lockSchema),
			// TRUNCATE waits for open transactions that write to the log.
			"TRUNCATE @.app_data_changes",
			"DELETE FROM @.app_data_marks",
		} {
			if err := tx.QueryRow(ctx, b.sql(token)).Scan(&exists); err != nil || exists {
				return err
			}
			if _, err := tx.Exec(ctx, b.sql(sql)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, b.sql("UPDATE @.app_data_meta SET floor = pg_current_snapshot()")); err != nil {
			return err
		}
		const epoch = "INSERT INTO @.app_data_epoch (token, system, log) SELECT gen_random_uuid(), " + here +
			" ON CONFLICT (one) DO UPDATE SET token = excluded.token, system = excluded.system, log = excluded.log"
		_, err := tx.Exec(ctx, b.sql(epoch))
		return err
	})
}
