package wire

import (
	"fmt"
	"strings"
)

// resetRules are about streams that cannot be resumed.
var resetRules = []Rule{
	{
		ID: "sse/reset-event",
		Says: "a cursor that cannot be used is no status but 200: id reset, then event reset with " +
			"its reason as data",
		Check: func(r *trial) {
			for _, cursor := range append(r.unusable(), "reset") {
				l := r.listen(nil, "Last-Event-ID: "+cursor)
				first := l.next()
				r.must(
					first.ID == "reset" && first.Retry != "", "with %s the stream opens with %+v want retry and id: reset",
					show(cursor), first,
				)
				second := l.next()
				r.want("second event", second.Event, "reset")
				r.must(
					second.Reason == "cursor_expired" && second.Data != "", "data of the reset: got %q want its reason",
					second.Data,
				)
				l.Cut()
			}
		},
	},
	{
		ID: "sse/reset-replays",
		Says: "after a reset every document comes again, as insert and as update, then a usable id, " +
			"then what is new",
		Check: func(r *trial) {
			c, other, p := r.named("notes"), r.named("other"), r.dial("changes", "none")
			for n := range 3 {
				q := batch()
				for i := range 40 {
					data := fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 3000))
					q.Operations = append(q.Operations, insert([]string{c, other}[i%2], fmt.Sprintf("d%d-%d", n, i), data))
				}
				p.do(q)
			}
			l := r.listen([]string{"cursor", "garbage"})
			id := l.id()
			for _, collection := range []string{c, other} {
				copied, types := map[string]string{}, map[string]map[string]bool{"insert": {}, "update": {}}
				apply(copied, collection, l.seen)
				r.exact("the copy after the replay", copied, r.revLess(collection))
				for _, b := range l.of(collection, 0) {
					types[b.Type][subject(b)] = true
				}
				r.want("documents told as insert", len(types["insert"]), 60)
				r.want("documents told as update", len(types["update"]), 60)
			}
			r.dial("changes", "none").insert(c, "new", `{}`) // p was not read for long: it may be taken for gone
			l.event(c, "new")
			l.Cut()
			again := r.listen(nil, "Last-Event-ID: "+id)
			r.want("the first id when that is resumed", again.next().ID, id)
			again.event(c, "new")
		},
	},
	{
		ID:   "sse/reset-until-whole",
		Says: "until the last document of a replay the id is reset: who is cut before is reset again",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			r.fill(p, c, 30)
			l := r.listen([]string{"cursor", "garbage"})
			for replayed := 0; replayed < 30; {
				b := l.next()
				r.must(b.ID == "" || b.ID == "reset", "a usable id stands before the last document")
				if b.Type == "insert" && b.Collection == c {
					replayed++
				}
			}
		},
	},
}
