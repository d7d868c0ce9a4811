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

// The advisory lock of who changes the schema or begins an epoch: "2ndg" and a number. It is the database's, so that
// schemas share it.
const (
	lockSpace  = 0x326e6467
	lockSchema = 1
)

// migrate brings the tables up to date, in one transaction, one gateway at a time.
func (b *Backend) migrate(ctx context.Context) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if version, err := b.version(ctx, b.pool); err != nil || version == len(steps) {
		return errors.Join(err, newer(version, len(steps)))
	}
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockSpace, lockSchema); err != nil {
			return err
		}
		version, err := b.version(ctx, tx)
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

func newer(version, known int) error {
	if version > known {
		return fmt.Errorf("the tables were made by a newer secondgate (schema %d, this one knows %d): upgrade secondgate", version, known)
	}
	return nil
}

// version is that of the tables, 0 for none. Tables of our names that are not ours are refused.
func (b *Backend) version(ctx context.Context, q querier) (version int, err error) {
	var documents, meta *string
	const names = "SELECT to_regclass('@.app_data')::text, to_regclass('@.app_data_meta')::text"
	if err := q.QueryRow(ctx, b.sql(names)).Scan(&documents, &meta); err != nil {
		return 0, err
	}
	switch {
	case meta == nil && documents != nil:
		return 0, errors.New("there is a table app_data that secondgate has not made: name another schema with ?schema=")
	case meta == nil:
		return 0, nil
	}
	err = q.QueryRow(ctx, b.sql("SELECT version FROM @.app_data_meta")).Scan(&version)
	return version, err
}

// begin makes a new epoch where the old one has been lost, or has come here in a dump. Numbers of transactions that the
// log holds may be issued again then, or be from the future, so nothing of the log can be kept.
func (b *Backend) begin(ctx context.Context) error {
	select {
	case b.beginning <- struct{}{}:
		defer func() { <-b.beginning }()
	case <-ctx.Done():
		return ctx.Err()
	}
	const here = "(SELECT system_identifier::text FROM pg_control_system()), '@.app_data_changes'::regclass"
	const token = "SELECT EXISTS (SELECT FROM @.app_data_epoch WHERE (system, log) = (" + here + "))"
	var there bool
	if err := b.pool.QueryRow(ctx, b.sql(token)).Scan(&there); err != nil || there {
		return err
	}
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, %d)", lockSpace, lockSchema),
			// What somebody is just writing to the log must not come after: TRUNCATE waits for it.
			"TRUNCATE @.app_data_changes",
			"DELETE FROM @.app_data_marks",
		} {
			if err := tx.QueryRow(ctx, b.sql(token)).Scan(&there); err != nil || there {
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
