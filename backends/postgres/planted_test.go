package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedReaders builds the driver with each bug in turn. The named test or rule must fail;
// without the bug it passes.
func TestPlantedReaders(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	const difference = "(c.xid >= $1::text::xid8 OR c.xid = ANY($2::text[]::xid8[]))"
	// the transaction is in the snapshot before
	const shown = "(x.xid < $1::text::xid8 AND x.xid <> ALL($2::text[]::xid8[]))"
	for _, bug := range []struct{ name, file, old, new, test, says string }{
		{
			"changes are read by seq above the last one", "since.go", difference,
			"c.seq > (SELECT coalesce(max(x.seq), 0) FROM @.app_data_changes AS x WHERE " + shown + ")",
			"^TestSlowCommit$", "--- FAIL: TestSlowCommit",
		},
		{
			"changes are read by seq above the last one", "since.go", difference,
			"c.seq > (SELECT coalesce(max(x.seq), 0) FROM @.app_data_changes AS x WHERE " + shown + ")",
			"^TestConformance$/^feed$/^exact$", "rule feed/exact:",
		},
		{
			"changes are read up to the oldest transaction under way", "since.go", difference,
			difference + " AND c.xid < pg_snapshot_xmin(pg_current_snapshot())",
			"^TestLongTransaction$", "--- FAIL: TestLongTransaction",
		},
		{
			"changes are read up to the oldest transaction under way", "since.go", difference,
			difference + " AND c.xid < pg_snapshot_xmin(pg_current_snapshot())",
			"^TestConformance$/^history$/^model$", "rule history/model:",
		},
		{
			"the row's own transaction number is taken for that of the whole transaction", "since.go", difference,
			"(c.xmin::text::xid8 >= $1::text::xid8 OR c.xmin::text::xid8 = ANY($2::text[]::xid8[]))",
			"^TestSavepoints$", "--- FAIL: TestSavepoints",
		},
		{
			"the row's own transaction number is taken for that of the whole transaction", "since.go", difference,
			"(c.xmin::text::xid8 >= $1::text::xid8 OR c.xmin::text::xid8 = ANY($2::text[]::xid8[]))",
			"^TestStress$", "--- FAIL: TestStress",
		},
		{
			"an epoch outlives a crash", "migrations/0001_documents.sql", "CREATE UNLOGGED TABLE", "CREATE TABLE",
			"^TestCrashReissuesNumbers$", "--- FAIL: TestCrashReissuesNumbers",
		},
		{
			"an epoch goes with a dump", "schema.go", "FROM @.app_data_epoch WHERE (system, log) = (\" + here + " +
				"\"))\"", "FROM @.app_data_epoch)\"",
			"^TestRestoreElsewhere$", "--- FAIL: TestRestoreElsewhere",
		},
		{
			"an epoch outlives the tables it was made for", "snapshot.go",
			"WHERE log = '@.app_data_changes'::regclass", "",
			"^TestRestoreUnderneath$", "--- FAIL: TestRestoreUnderneath",
		},
		{
			"cursors from before the floor are resumed", "cursor.go", "!at.snapshot.contains(h.floor) ||", "",
			"^TestTrimRacesResumes$", "--- FAIL: TestTrimRacesResumes",
		},
		{
			"cursors with a transaction from before the floor are refused", "cursor.go",
			"!at.snapshot.contains(h.floor) ||", "len(at.snapshot.xip) > 0 && at.snapshot.xip[0] < h.floor.xmax ||",
			"^TestTrimRacesResumes$", "--- FAIL: TestTrimRacesResumes",
		},
		{
			"an upsert replaces what it has not seen", "upsert_group.go",
			"AND d.updated_at = input.was_at AND d.data = input.was::jsonb", "",
			"^TestConformance$/^concurrency$/^upserts-add-up$", "rule concurrency/upserts-add-up:",
		},
		{
			"a group makes two documents that one filter means", "upsert_group.go",
			"filters[filter] || known && set != fieldsOf(w.Filter)", `known && set == ""`,
			"^TestConformance$/^upsert$/^in-order$", "rule upsert/in-order:",
		},
		{
			"of a run that a group cannot finish, the end comes first", "upsert_group.go",
			"if fits++; s.change.Op == backends.Update {", "if fits++; false {",
			"^TestUpsertRunKeepsOrder$", "--- FAIL: TestUpsertRunKeepsOrder",
		},
	} {
		t.Run(bug.name+" "+bug.test, func(t *testing.T) {
			out, caught := planted.Run(t, planted.Bug{File: bug.file, Old: bug.old, New: bug.new}, bug.test,
				"SECONDGATE_TEST_POSTGRES_URL="+postgrestest.URL(t))
			require.True(t, caught, "the bug was not noticed:\n%s", out)
			require.Contains(t, out, bug.says)
		})
	}
}

// TestPlantedNumbers: unless the numbers of a document's changes are drawn under its lock and one
// by one, a change names the wrong actor.
func TestPlantedNumbers(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	t.Parallel()
	t.Run("a sequence hands out 20 at a time", func(t *testing.T) {
		t.Parallel()
		b, url := fresh(t)
		other := open(t, url)
		b.Unguarded()
		other.Unguarded()
		postgrestest.PSQL(t, url, "ALTER TABLE app_data_changes ALTER seq SET CACHE 20")
		require.ErrorContains(t, inTurns(t, b, other), "names the wrong actor:")
	})
	t.Run("numbers are taken in a BEFORE trigger", func(t *testing.T) {
		t.Parallel()
		b, url := fresh(t)
		other := open(t, url)
		b.Unguarded()
		other.Unguarded()
		postgrestest.PSQL(t, url, `CREATE SEQUENCE early;
			CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
			BEGIN
				PERFORM set_config('test.seq', nextval('early')::text, true);
				RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
			END $$;
			CREATE TRIGGER early BEFORE INSERT OR UPDATE OR DELETE ON app_data FOR EACH ROW EXECUTE FUNCTION early();
			ALTER TABLE app_data_changes ALTER seq DROP IDENTITY;
			ALTER TABLE app_data_changes ALTER seq SET DEFAULT current_setting('test.seq')::bigint`)
		require.NoError(t, inTurns(t, b, other), "without a wait it does not show")
		var err error
		for i := 0; i < 4 && err == nil; i++ { // a gateway that begins again draws its number again
			err = afterWait(t, b, url, fmt.Sprint("waited", i))
		}
		require.ErrorContains(t, err, "names the wrong actor:")
	})
}
