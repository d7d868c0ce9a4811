package differential_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/protocol"
)

// planted are bugs of one database that show once or always, each with words of the difference that
// must be reported.
var planted = []struct {
	bug  string
	does func(*faulty)
	says []string
}{
	{"an answer has another time", answers(func(o *backends.Outcome) {
		at(o, func(d *protocol.Document) { d.Updated = d.Updated.Add(time.Millisecond) })
	}),
		[]string{"asked: write", "updated"}},
	{
		"an answer has another rev",
		answers(func(o *backends.Outcome) { at(o, func(d *protocol.Document) { d.Rev = "x" }) }),
		[]string{"asked: write", "rev x"},
	},
	{
		"an answer has another past", answers(func(o *backends.Outcome) { o.Changes[0].Before = nil }),
		[]string{"asked: write", "before nothing"},
	},
	{
		"an update is told as an insert", answers(func(o *backends.Outcome) { o.Changes[0].Op = backends.Insert }),
		[]string{"asked: write", "insert"},
	},
	{
		"a replay does not say so", replays(func(o *backends.Outcome) { o.Replayed = false }),
		[]string{"asked: write", "replayed"},
	},
	{
		"another write is said to be refused", refusals(func(e *backends.WriteError) { e.Index++ }),
		[]string{"asked: write", "refused at 0", "refused at 1"},
	},
	{
		"a refusal has another code",
		refusals(func(e *backends.WriteError) { e.Err = protocol.Errorf(protocol.CodeConflict, "so") }),
		[]string{"asked: write", "conflict: so"},
	},
	{"an update is lost", updateLost, []string{"differ"}},
	{
		"a list has another order", pages(func(p *backends.Page) { p.Docs[0], p.Docs[1] = p.Docs[1], p.Docs[0] }),
		[]string{"asked: list"},
	},
	{
		"a page is short", pages(func(p *backends.Page) { p.Docs = p.Docs[:len(p.Docs)-1] }),
		[]string{"asked: list"},
	},
	{"a page has another end", pages(func(p *backends.Page) { p.Next += "A" }), []string{"asked: list", "next"}},
	{
		"a collection is miscounted", counts(func(all map[string]int) { all["more"] = 1 }),
		[]string{"asked: collections", "more:1"},
	},
	{
		"changes are not told", always(feeds(func(b *backends.Batch) { b.Changes = b.Changes[:len(b.Changes)-1] })),
		[]string{"asked: read the feed", "told", "written"},
	},
	{
		"a change is told late", feeds(func(b *backends.Batch) { b.Changes = append(b.Changes, b.Changes[0]) }),
		[]string{"asked: read the feed", "told", "written"},
	},
	{
		"a change is told of another collection",
		feeds(func(b *backends.Batch) { b.Changes[0].Ref.Collection = "x" }), []string{"asked: read the feed"},
	},
	{
		"a scope is lost", feeds(func(b *backends.Batch) { b.LostAll = true }),
		[]string{"asked: read the feed", "lost"},
	},
	{
		"Since is cut short", sinces(func(b *backends.Batch) { b.Changes = b.Changes[:len(b.Changes)-1] }),
		[]string{"asked: everything in"},
	},
	{"what is gone is not named", goneForgotten, []string{"asked: what is gone", "not "}},
	{
		"an entry is found twice",
		finds(func(all []backends.Entry) []backends.Entry { return append(all, all[0]) }), []string{"asked: find"},
	},
}

// TestPlanted has the checker find each bug, and nothing else: the same history goes well without
// it.
func TestPlanted(t *testing.T) {
	const writes = 1500
	clean := func(seed uint64) database {
		return database{"clean", &modeltest.Harness{Options: model.Options{Seed: seed, PreImage: -1, Break: -1}}}
	}
	require.NoError(t, newRun(t, 9, []database{clean(1), clean(2)}).play(writes))
	for _, p := range planted {
		t.Run(p.bug, func(t *testing.T) {
			t.Parallel()
			spoilt := clean(2)
			spoilt.name, spoilt.harness = "spoilt", planting{spoilt.harness, p.does}
			r := newRun(t, 9, []database{clean(1), spoilt})
			err := r.play(writes)
			require.Error(t, err, "the bug is not found")
			t.Log(err)
			for _, words := range append(p.says, "seed 9, step", "spoilt: ") {
				require.ErrorContains(t, err, words)
			}
		})
	}
}
