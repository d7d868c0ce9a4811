package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var errorRules = []Rule{
	{
		ID:   "errors/page",
		Says: "a page position that was never given out is refused as invalid_cursor",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			for _, after := range []string{
				"x", "!", "AAAA", " ", "null", base64.RawURLEncoding.EncodeToString([]byte("12345678")),
			} {
				_, err := s.b.List(s.ctx, alpha, backends.Query{Collection: "notes", After: after})
				s.code("list after "+after, err, protocol.CodeInvalidCursor)
			}
		},
	},
	{
		ID:   "errors/ended",
		Says: "a call whose context has ended answers at once: with the context's error, or in full",
		Check: func(s *trial) {
			c := s.now()
			s.insert(note("a"), `{}`)
			ended, cancel := context.WithCancel(s.ctx)
			cancel()
			calls := map[string]func() error{
				"get": func() error { _, _, err := s.b.Get(ended, note("a"), nil); return err },
				"list": func() error {
					_, err := s.b.List(ended, alpha, backends.Query{Collection: "notes"})
					return err
				},
				"collections": func() error { _, err := s.b.Collections(ended, alpha, nil); return err },
				"since":       func() error { _, err := s.b.Since(ended, alpha, c, 1<<20); return err },
				"write": func() error {
					return s.b.Write(ended, []backends.Tx{s.tx(alpha, ups("notes", "b", `{}`))})[0].Err
				},
				"find": func() error { _, err := s.b.Find(ended, "k", "", "", 1); return err },
			}
			for name, call := range calls {
				begun := time.Now()
				if err := call(); err != nil && !errors.Is(err, context.Canceled) {
					s.Fatalf("%s: got %v want the context's error", name, err)
				}
				if took := time.Since(begun); took > patience/2 {
					s.Fatalf("%s: got an answer after %v want one at once", name, took)
				}
			}
		},
	},
	{
		ID:   "errors/write-cut",
		Says: "a write whose context ends early happens wholly or not at all",
		Check: func(s *trial) {
			for i := range 20 {
				ctx, cancel := context.WithTimeout(s.ctx, time.Duration(s.rng.IntN(800))*time.Microsecond)
				a, b := string(rune('a'+i))+"1", string(rune('a'+i))+"2"
				o := s.b.Write(ctx, []backends.Tx{s.tx(alpha, ins("notes", a, `{}`), ins("notes", b, `{}`))})[0]
				cancel()
				docs := state{"notes": {}}
				for _, d := range s.list(alpha, "notes", s.now()).Docs {
					docs["notes"][d.ID] = d
				}
				first, second := pick(docs["notes"], a) != nil, pick(docs["notes"], b) != nil
				s.want("both documents are there", first, second)
				if o.Err == nil {
					s.want("an acknowledged document is there", first, true)
				}
			}
		},
	},
	{
		ID:   "errors/next-deadline",
		Says: "Next ends with its context, and the feed goes on as if it had not been asked",
		Check: func(s *trial) {
			f := s.watch(s.now())
			for range 3 {
				ctx, cancel := context.WithTimeout(s.ctx, 5*time.Millisecond)
				batch, err := f.feed.Next(ctx)
				cancel()
				switch {
				case err == nil:
					f.take(batch)
				case errors.Is(err, context.DeadlineExceeded):
				default:
					s.Inconclusive("the feed broke")
				}
			}
			c := s.insert(note("a"), `{"n":1}`)
			s.same("feed", last(f.until(s.now(), alpha), note("a")), c.Doc)
		},
	},
	{
		ID:   "errors/closed",
		Says: "a closed backend fails every call and hangs none",
		Check: func(s *trial) {
			b := s.h.Reopen(s, s.b)
			s.ok("close", b.Close())
			_, _, err := b.Get(s.ctx, note("a"), nil)
			s.want("get fails", err != nil, true)
			_, err = b.List(s.ctx, alpha, backends.Query{Collection: "notes"})
			s.want("list fails", err != nil, true)
			_, err = b.Watch(s.ctx, nil)
			s.want("watch fails", err != nil, true)
			_, err = backends.WriteOne(s.ctx, b, s.tx(alpha, ins("notes", "a", `{}`)))
			s.want("write fails", err != nil, true)
			s.same("get", s.get(note("a")), nil)
		},
	},
	{
		ID:   "errors/refused-twice",
		Says: "the same bad request fails the same way again",
		Check: func(s *trial) {
			for range 3 {
				s.refuse(protocol.CodeNotFound, alpha, upd("notes", "a", `{}`))
				s.refuse(protocol.CodeInvalidID, alpha, ups("notes", "a/b", `{}`))
			}
		},
	},
}
