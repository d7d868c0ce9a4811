package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

var errSchemaChanged = protocol.Errorf(protocol.CodeUnavailable,
	"the database's tables or triggers were changed: the operator must do what secondgate check says")

// look is [driverkit.Guard]'s. It compares the schema with that of the migrations. After a repair it
// begins a new epoch if changes may have been lost meanwhile: see [Backend.ensureEpoch].
func (b *Backend) look(ctx context.Context, standing error) (reason, detail error) {
	if b.unguarded.Load() {
		return standing, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	damage, err := b.damage(ctx)
	switch {
	case err != nil:
		return standing, nil
	case damage != nil:
		return errSchemaChanged, damage
	}
	if err := errors.Join(b.ensureEpoch(ctx), b.identify(ctx)); err != nil {
		return standing, nil
	}
	return nil, nil
}

// damage returns what is wrong with the schema, nil if nothing is. err is one of asking.
func (b *Backend) damage(ctx context.Context) (damage, err error) {
	have, err := b.catalogue(ctx, b.pool)
	if err != nil {
		return nil, err
	}
	var report driverkit.Report
	b.compare(&report, have)
	failed := func(f backends.Finding) bool { return f.Level == backends.LevelFail }
	at := slices.IndexFunc(report.Findings, failed)
	if at < 0 {
		return nil, nil
	}
	if version, err := b.schemaVersion(ctx, b.pool); err == nil && version > schemaSteps() {
		return nil, nil // a newer gateway has upgraded the tables
	}
	f := report.Findings[at]
	return fmt.Errorf("%s: %s", f.What, f.Fix), nil
}
