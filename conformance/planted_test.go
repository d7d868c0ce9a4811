package conformance_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// planted are bugs, each with a rule that must catch it.
var planted = []struct {
	bug  string
	rule string
	wrap func(conformance.Harness) conformance.Harness
}{
	{"a change is skipped", "feed/every", feeds(skip)},
	{"a change is skipped", "feed/exact", feeds(skip)},
	{"a change is skipped", "list/join", feeds(skip)},
	{"a change is skipped", "history/model", feeds(skip)},
	{"the changes of a batch come in the wrong order", "feed/exact", feeds(reverse)},
	{"the changes of one document come in the wrong order", "feed/order", feeds(reverse)},
	{"a transaction is torn", "batch/whole", feeds(tear)},
	{"a transaction is torn", "concurrency/sum", feeds(tear)},
	{"a transaction is torn", "feed/exact", feeds(tear)},
	{"a stranger's transaction is torn", "outside/large", feeds(tear)},
	{"a cursor is one too far", "feed/exact", feeds(ahead)},
	{"a cursor is one too far", "history/model", feeds(ahead)},
	{"an old state comes again after a resume", "feed/resume", feeds(repeat)},
	{"an old state comes again after a resume", "retention/after", feeds(repeat)},
	{"a lagging feed does not say what it lost", "retention/lagging", feeds(hush)},
	{"a change does not say who made it", "feed/author", feeds(forgetAuthor)},
	{"the history does not say in which run", "feed/author", with(sinceWithoutRun)},
	{"a feed shows another scope's changes", "scopes/feed", feeds(leak)},
	{"a list shows another scope", "scopes/list", with(listOfAnother)},
	{"Since shows another scope", "scopes/since", with(sinceOfAnother)},
	{"Since is cut short", "since/exact", with(sinceCut)},
	{"a list may be older than its bound", "list/bound", with(listUnbound)},
	{"Get may be older than its bound", "list/bound", with(getUnbound)},
	{"collections may be counted before their bound", "list/bound-of-collections", with(countUnbound)},
	{"a list lacks what it looks for", "list/only", with(listOnlySome)},
	{"a list's cursor is one too far", "list/exact", with(listAhead)},
	{"a list's cursor is one too far", "list/join", with(listAhead)},
	{"a page skips a document", "list/pages", with(pageSkips)},
	{"what is there is told to be gone", "since/gone", with(goneWrong)},
	{"an acknowledged write is lost", "writes/acknowledged", with(writeLost)},
	{"an acknowledged write is lost", "concurrency/all-there", with(writeLost)},
	{"an acknowledged write is lost", "history/model", with(writeLost)},
	{"a mutation id is forgotten", "mutation/once", writes(func(tx *backends.Tx) { tx.Mutation = "" })},
	{"a mutation id is forgotten", "mutation/cut", writes(func(tx *backends.Tx) { tx.Mutation = "" })},
	{"a full scope takes documents", "usage/full", writes(func(tx *backends.Tx) { tx.FullDocuments = nil })},
	{"a full scope takes bytes", "usage/full", writes(func(tx *backends.Tx) { tx.FullBytes = nil })},
	{"the usage is another scope's", "usage/counts", with(usageOfAnother)},
	{
		"a mutation's digest is not compared", "mutation/mismatch",
		writes(func(tx *backends.Tx) { tx.Digest = [32]byte{} }),
	},
	{
		"mutations of all principals are one", "scopes/mutations",
		writes(func(tx *backends.Tx) { tx.Principal, tx.Digest = "", [32]byte{} }),
	},
	{
		"ifRev is ignored", "concurrency/if-rev",
		writes(func(tx *backends.Tx) { each(tx, func(w *backends.Write) { w.IfRev = "" }) }),
	},
	{"an upsert makes two documents", "concurrency/one-upsert", with(upsertTwice)},
	{"entries are stored beside the transaction", "ledger/entries-refused", with(entriesBeside)},
	{"entries are stored beside the transaction", "ledger/entries-refused-alone", with(entriesBeside)},
	{"entries do not see what was before", "ledger/entries-alone", with(entriesWithoutBefore)},
	{"a batch is no transaction", "batch/all-or-nothing", with(writeApart)},
	{"a batch is no transaction", "batch/one-moment", with(writeApart)},
	{
		"a rolled-back transaction of a stranger is shown", "outside/rolled-back",
		func(h conformance.Harness) conformance.Harness { return committing{h} },
	},
	{"a cursor is valid in a restored backup", "restore/future", with(resumesAll)},
	{"a cursor's number counts without its tag", "restore/reissued", with(resumesAll)},
	{"trimmed history is resumed silently", "retention/expired", with(resumesAll)},
	{"another database's cursor is resumed", "cursor/foreign", with(resumesAll)},
	{"a ticket is taken twice", "ledger/take-once", with(takeTwice)},
}

// tries is how often a rule is run to catch its bug: some need a race to show.
const tries = 3

func TestPlanted(t *testing.T) {
	clean := &modeltest.Harness{Options: model.Options{Seed: 7}}
	for _, p := range planted {
		t.Run(p.rule+": "+p.bug, func(t *testing.T) {
			rule, ok := conformance.Find(p.rule)
			require.True(t, ok)
			require.Empty(t, conformance.Try(t, clean, rule), "the rule must hold without the bug")
			var failures []string
			for n := 0; n < tries && len(failures) == 0; n++ {
				failures = conformance.Try(t, p.wrap(clean), rule)
			}
			require.NotEmpty(t, failures, "the rule does not catch the bug")
			t.Log(failures[0])
		})
	}
}
