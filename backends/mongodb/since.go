package mongodb

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// The history after a cursor is read by a change stream of its own, which ends where the database
// was when the call began. Callers keep few of these open at a time.

// replayWait is how long the server waits at the end of the oplog. There is nothing to wait for.
const replayWait = time.Millisecond

// concerning is a stage that drops events which cannot concern a scope.
func concerning(s protocol.Scope) bson.D {
	in := func(image string) bson.D {
		return bson.D{{Key: image + ".workspaceId", Value: s.Workspace},
			{Key: image + ".appId", Value: s.StoredApp()}}
	}
	documents := bson.A{"insert", "update", "replace", "delete"}
	return bson.D{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{
		in("fullDocument"), in("fullDocumentBeforeChange"),
		bson.D{{Key: "fullDocument.scopes", Value: scopeName(s)}}, // a note of authors
		// For these updates, fullDocument may have the old value first: see dedupImage.
		bson.D{{Key: "updateDescription.updatedFields.workspaceId", Value: s.Workspace}},
		bson.D{{Key: "updateDescription.updatedFields.appId", Value: s.StoredApp()}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$nin", Value: documents}}}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "insert"}}},
			{Key: "fullDocumentBeforeChange", Value: nil}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "delete"}}},
			{Key: "fullDocument", Value: nil}},
	}}}}}
}

// history calls f for the changes of a scope between two cursors. The database must have reached
// to. It fails with a [gap] where they cannot be told one by one.
func (b *Backend) history(
	ctx context.Context, s protocol.Scope, from, to cursor, f func(backends.Change) error,
) error {
	return b.historyFrom(ctx, from.at, s, from, to, f)
}

// historyFrom is history by a stream that begins at another time than from.
func (b *Backend) historyFrom(
	ctx context.Context, begin bson.Timestamp, s protocol.Scope, from, to cursor,
	f func(backends.Change) error,
) error {
	return b.do(ctx, "read changes", func(ctx context.Context) error {
		stream, err := b.followFrom(ctx, begin, from, replayWait, needed, concerning(s))
		if err != nil {
			return err
		}
		defer stream.close(ctx)
		for stream.at.Before(to.at) {
			events, _, err := stream.next(ctx)
			if hasCode(err, codeHistoryLost, codeCappedPositionLost) {
				return backends.ErrCursor
			}
			if err != nil {
				return err
			}
			who := authorsIn(events)
			for _, e := range events {
				if e.at.After(to.at) {
					return nil
				}
				changes, err := b.changes(e, to.epoch, who)
				if err != nil {
					return &gap{err, e.at}
				}
				for _, c := range changes {
					if c.Ref.Scope != s {
						continue
					}
					if err := f(c); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// Since implements [backends.Backend].
func (b *Backend) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (backends.Batch, error) {
	h, err := b.resumable(ctx, from)
	if err != nil {
		return backends.Batch{}, err
	}
	bound := cmp.Or(maxBytes, math.MaxInt)
	builder := driverkit.NewBatchBuilder(bound, bound)
	err = b.history(ctx, s, from.(cursor), h.cursor, func(c backends.Change) error {
		if !builder.Add(c) {
			return backends.ErrTooBig
		}
		return nil
	})
	switch {
	case isGap(err):
		return backends.Batch{Lost: []protocol.Scope{s}, Cursor: h.cursor}, nil
	case err != nil:
		return backends.Batch{}, err
	}
	return builder.Batch(h.cursor), nil
}

// gap is where the history cannot be told one by one: the collection was dropped, for example.
type gap struct {
	error
	at bson.Timestamp
}

func (g *gap) Unwrap() error { return g.error }

// isGap reports whether the history has a gap.
func isGap(err error) bool {
	return errors.Is(err, errNoImage) || errors.Is(err, errDropped) || hasCode(err, codeTooLarge)
}

// Gone implements [backends.Backend].
func (b *Backend) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) (refs []protocol.Ref, at backends.Cursor, err error) {
	for try := range 10 { // the server may cut off the beginning of the oplog while it is read from there
		if refs, at, err = b.gone(ctx, s, from, max); from != nil || !errors.Is(err, backends.ErrCursor) {
			break
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond)
	}
	return refs, at, err
}

func (b *Backend) gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) ([]protocol.Ref, backends.Cursor, error) {
	var h head
	var err error
	whole := from == nil
	if whole {
		if h, err = b.head(ctx, nil); err == nil {
			from, err = b.oldest(ctx, h)
		}
	} else {
		h, err = b.resumable(ctx, from)
	}
	if err != nil {
		return nil, nil, err
	}
	gone, err := b.goneBetween(ctx, s, from.(cursor), h.cursor, whole)
	if err == nil && len(gone) > max {
		err = backends.ErrTooBig
	}
	if err != nil {
		return nil, nil, err
	}
	refs := slices.SortedFunc(maps.Keys(gone), func(a, b protocol.Ref) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
	})
	return refs, h.cursor, nil
}

// goneBetween are the documents that were deleted between two cursors. With whole, it begins anew
// after each gap: what was before it, nobody can tell.
func (b *Backend) goneBetween(
	ctx context.Context, s protocol.Scope, from, to cursor, whole bool,
) (gone map[protocol.Ref]bool, err error) {
	for begin := from.at; ; {
		gone = map[protocol.Ref]bool{}
		err = b.historyFrom(ctx, begin, s, from, to, func(c backends.Change) error {
			if delete(gone, c.Ref); c.Doc == nil {
				gone[c.Ref] = true
			}
			return nil
		})
		var at *gap
		switch {
		case whole && errors.As(err, &at):
			// A stream that began at a drop would end there.
			from.at, begin = at.at, bson.Timestamp{T: at.at.T, I: at.at.I + 1}
		case isGap(err):
			return nil, backends.ErrCursor
		default:
			return gone, err
		}
	}
}

// oldest is the cursor from which on the history is kept: the floor, or the beginning of the oplog.
// Without the right to read the oplog, it is the head.
func (b *Backend) oldest(ctx context.Context, h head) (cursor, error) {
	from := cursor{h.epoch, h.floor}
	err := b.do(ctx, "read the beginning of the oplog", func(ctx context.Context) error {
		err := b.replayable(ctx, from)
		if err == nil || !errors.Is(err, backends.ErrCursor) {
			return err
		}
		var first struct {
			At bson.Timestamp `bson:"ts"`
		}
		err = b.client.Database("local").Collection("oplog.rs").FindOne(ctx, bson.D{}).Decode(&first)
		from.at = first.At
		if hasCode(err, codeUnauthorized) {
			from, err = h.cursor, nil
		}
		return err
	})
	return from, err
}
