package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedReaders builds the driver with bugs. The named test or rule must fail with each.
func TestPlantedReaders(t *testing.T) {
	const difference = "(c.xid >= $1::text::xid8 OR c.xid = ANY($2::text[]::xid8[]))"
	// the transaction is in the snapshot before
	const shown = "(x.xid < $1::text::xid8 AND x.xid <> ALL($2::text[]::xid8[]))"
	env := []string{"SECONDGATE_TEST_POSTGRES_URL=" + postgrestest.URL(t)}
	planted.Check(t, planted.Suite{Env: env, Bugs: []planted.Bug{
		{
			Name: "changes are read by seq above the last one",
			File: "since.go",
			Old:  difference,
			New:  "c.seq > (SELECT coalesce(max(x.seq), 0) FROM @.app_data_changes AS x WHERE " + shown + ")",
			Test: "^TestSlowCommit$",
			Says: "--- FAIL: TestSlowCommit",
		},
		{
			Name: "changes are read by seq above the last one",
			File: "since.go",
			Old:  difference,
			New:  "c.seq > (SELECT coalesce(max(x.seq), 0) FROM @.app_data_changes AS x WHERE " + shown + ")",
			Test: "^TestConformance$/^feed$/^exact$",
			Says: "rule feed/exact:",
		},
		{
			Name: "a list looks for numbers as the server compares them",
			File: "upsert.go",
			Old:  `if c.Value[0] == '"' || c.Value[0] == 't' || c.Value[0] == 'f' {`,
			New:  `if len(c.Value) > 0 {`,
			Test: "^TestListOnly$",
			Says: "--- FAIL: TestListOnly",
		},
		{
			Name: "changes are read up to the oldest transaction under way",
			File: "since.go",
			Old:  difference,
			New:  difference + " AND c.xid < pg_snapshot_xmin(pg_current_snapshot())",
			Test: "^TestLongTransaction$",
			Says: "--- FAIL: TestLongTransaction",
		},
		{
			Name: "changes are read up to the oldest transaction under way",
			File: "since.go",
			Old:  difference,
			New:  difference + " AND c.xid < pg_snapshot_xmin(pg_current_snapshot())",
			Test: "^TestConformance$/^history$/^model$",
			Says: "rule history/model:",
		},
		{
			Name: "the row's own transaction number is taken for that of the whole transaction",
			File: "since.go",
			Old:  difference,
			New:  "(c.xmin::text::xid8 >= $1::text::xid8 OR c.xmin::text::xid8 = ANY($2::text[]::xid8[]))",
			Test: "^TestSavepoints$",
			Says: "--- FAIL: TestSavepoints",
		},
		{
			Name: "the row's own transaction number is taken for that of the whole transaction",
			File: "since.go",
			Old:  difference,
			New:  "(c.xmin::text::xid8 >= $1::text::xid8 OR c.xmin::text::xid8 = ANY($2::text[]::xid8[]))",
			Test: "^TestStress$",
			Says: "--- FAIL: TestStress",
		},
		{
			Name: "an epoch outlives a crash",
			File: "migrations/0001_documents.sql",
			Old:  "CREATE UNLOGGED TABLE",
			New:  "CREATE TABLE",
			Test: "^TestCrashReissuesNumbers$",
			Says: "--- FAIL: TestCrashReissuesNumbers",
		},
		{
			Name: "an epoch goes with a dump",
			File: "schema.go",
			Old: "FROM @.app_data_epoch WHERE (system, log) = (\" + here + " +
				"\"))\"",
			New:  "FROM @.app_data_epoch)\"",
			Test: "^TestRestoreElsewhere$",
			Says: "--- FAIL: TestRestoreElsewhere",
		},
		{
			Name: "an epoch outlives the tables it was made for",
			File: "snapshot.go",
			Old:  "WHERE log = '@.app_data_changes'::regclass",
			New:  "",
			Test: "^TestRestoreUnderneath$",
			Says: "--- FAIL: TestRestoreUnderneath",
		},
		{
			Name: "cursors from before the floor are resumed",
			File: "cursor.go",
			Old:  "!at.snapshot.contains(h.floor) ||",
			New:  "",
			Test: "^TestTrimRacesResumes$",
			Says: "--- FAIL: TestTrimRacesResumes",
		},
		{
			Name: "cursors with a transaction from before the floor are refused",
			File: "cursor.go",
			Old:  "!at.snapshot.contains(h.floor) ||",
			New:  "len(at.snapshot.xip) > 0 && at.snapshot.xip[0] < h.floor.xmax ||",
			Test: "^TestTrimRacesResumes$",
			Says: "--- FAIL: TestTrimRacesResumes",
		},
		{
			Name: "an upsert replaces what it has not seen",
			File: "upsert_group.go",
			Old:  "AND d.updated_at = input.was_at AND d.data = input.was::jsonb",
			New:  "",
			Test: "^TestConformance$/^concurrency$/^upserts-add-up$",
			Says: "rule concurrency/upserts-add-up:",
		},
		{
			Name: "a group makes two documents that one filter means",
			File: "upsert_group.go",
			Old:  "filters[filter] || known && set != fieldsOf(w.Filter)",
			New:  `known && set == ""`,
			Test: "^TestConformance$/^upsert$/^in-order$",
			Says: "rule upsert/in-order:",
		},
		{
			Name: "of a run that a group cannot finish, the end comes first",
			File: "upsert_group.go",
			Old:  "if fits++; s.change.Op == backends.Update {",
			New:  "if fits++; false {",
			Test: "^TestUpsertRunKeepsOrder$",
			Says: "--- FAIL: TestUpsertRunKeepsOrder",
		},
	}})
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
