package sqlite

import (
	"context"
	"fmt"
	"os"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

var (
	errFileGone = protocol.Errorf(protocol.CodeUnavailable,
		"the database file was moved, deleted or replaced: the operator must put it back, or restart the gateway")
	errSchemaChanged = protocol.Errorf(protocol.CodeUnavailable,
		"the database's tables or triggers were changed: the operator must run secondgate check and restart")
)

// guard looks whether the path still leads to the file that was opened, and whether the file still
// has the tables and triggers that log its changes. SQLite itself goes on writing to a file that
// nobody can open any more, and a missing trigger loses every change in silence.
type guard struct {
	backend *Backend
	conn    *conn
	opened  os.FileInfo
	want    map[string]string // the schema, see schemaOf
	version int64             // SQLite's counter of changes of the schema, when it was compared last
}

// newGuard fails if the file's schema is not as secondgate made it.
func newGuard(ctx context.Context, b *Backend) (*guard, error) {
	c, err := connect(ctx, b.options.Path, false)
	if err != nil {
		return nil, err
	}
	g := &guard{backend: b, conn: c}
	if g.opened, err = os.Stat(b.options.Path); err == nil {
		var version int64
		if _, err = c.one(ctx, "PRAGMA user_version", nil, &version); err == nil {
			g.want, _, err = schemaOfVersion(ctx, int(version))
		}
	}
	if err == nil {
		err = g.compare(ctx)
	}
	if err != nil {
		_ = c.close()
		return nil, err
	}
	return g, nil
}

// run looks until the backend is closed.
func (g *guard) run() {
	defer g.conn.close()
	kit := driverkit.Guard{Life: g.backend.life, Log: g.backend.options.Log, Look: g.look}
	kit.Run()
}

// look is [driverkit.Guard]'s. A file that comes back is the same one; a schema that comes back has
// missed changes meanwhile, so only a restart admits calls again.
func (g *guard) look(ctx context.Context, standing error) (reason, detail error) {
	now, err := os.Stat(g.backend.options.Path)
	switch {
	case err != nil || !os.SameFile(now, g.opened):
		return errFileGone, err
	case standing == errSchemaChanged:
		return standing, nil
	}
	if detail = g.compare(ctx); detail != nil {
		return errSchemaChanged, detail
	}
	return nil, nil
}

// compare looks at the schema if it has changed since the last time.
func (g *guard) compare(ctx context.Context) error {
	var version int64
	if _, err := g.conn.one(ctx, "PRAGMA schema_version", nil, &version); err != nil || version == g.version {
		return nil // a file that cannot be read now is the business of those who read it
	}
	have, err := schemaOf(ctx, g.conn)
	if err != nil {
		return nil
	}
	var report check
	report.compare(have, g.want)
	for _, f := range report.Findings {
		if f.Level == backends.LevelFail {
			return fmt.Errorf("%s: %s", f.What, f.Fix)
		}
	}
	g.version = version
	return nil
}
