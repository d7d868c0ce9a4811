package mongodb

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// A client that is behind is caught up by a stream of its own, which ends where the database was when it was asked for.
// There are a few of these at most at any time, and they do not last.

// replayWait is how long the server waits at the end of its log, where there is nothing to wait for.
const replayWait = time.Millisecond

// concerning lets those events through that may be of one scope.
func concerning(s protocol.Scope) bson.D {
	in := func(image string) bson.D {
		return bson.D{{Key: image + ".workspaceId", Value: s.Workspace}, {Key: image + ".appId", Value: s.StoredApp()}}
	}
	documents := bson.A{"insert", "update", "replace", "delete"}
	return bson.D{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{
		in("fullDocument"), in("fullDocumentBeforeChange"),
		bson.D{{Key: "updateDescription.updatedFields.workspaceId", Value: s.Workspace}}, // for which fullDocument may have
		bson.D{{Key: "updateDescription.updatedFields.appId", Value: s.StoredApp()}},     // the old value first: see moved
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$nin", Value: documents}}}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "insert"}}}, {Key: "fullDocumentBeforeChange", Value: nil}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "delete"}}}, {Key: "fullDocument", Value: nil}},
	}}}}}
}

// history calls f for the changes of a scope from a cursor up to another, which the database has reached.
func (b *Backend) history(ctx context.Context, s protocol.Scope, from, to cursor, f func(backends.Change) error) error {
	return b.do(ctx, "read changes", func(ctx context.Context) error {
		stream, err := b.follow(ctx, from, replayWait, concerning(s))
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
			for _, e := range events {
				if e.at.After(to.at) {
					return nil
				}
				changes, err := b.changes(e, to.epoch)
				if err != nil {
					return err
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
func (b *Backend) Since(ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int) (backends.Batch, error) {
	h, err := b.resumable(ctx, from)
	if err != nil {
		return backends.Batch{}, err
	}
	bound := cmp.Or(maxBytes, math.MaxInt)
	g := backends.NewGathering(bound, bound)
	err = b.history(ctx, s, from.(cursor), h.cursor, func(c backends.Change) error {
		if !g.Add(c) {
			return backends.ErrTooBig
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoImage), errors.Is(err, errDropped), hasCode(err, codeTooLarge):
		return backends.Batch{Lost: []protocol.Scope{s}, Cursor: h.cursor}, nil
	case err != nil:
		return backends.Batch{}, err
	}
	return g.Batch(h.cursor), nil
}

// Gone implements [backends.Backend].
func (b *Backend) Gone(ctx context.Context, s protocol.Scope, from backends.Cursor, max int) (refs []protocol.Ref, at backends.Cursor, err error) {
	for try := range 10 { // the beginning of the server's log may be cut off while it is read from there
		if refs, at, err = b.gone(ctx, s, from, max); from != nil || !errors.Is(err, backends.ErrCursor) {
			break
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond)
	}
	return refs, at, err
}

func (b *Backend) gone(ctx context.Context, s protocol.Scope, from backends.Cursor, max int) ([]protocol.Ref, backends.Cursor, error) {
	var h head
	var err error
	if from == nil {
		if h, err = b.head(ctx, nil); err == nil {
			from, err = b.oldest(ctx, h)
		}
	} else {
		h, err = b.resumable(ctx, from)
	}
	if err != nil {
		return nil, nil, err
	}
	gone := map[protocol.Ref]bool{}
	err = b.history(ctx, s, from.(cursor), h.cursor, func(c backends.Change) error {
		if delete(gone, c.Ref); c.Doc == nil {
			gone[c.Ref] = true
		}
		return nil
	})
	if errors.Is(err, errNoImage) || errors.Is(err, errDropped) || hasCode(err, codeTooLarge) {
		err = backends.ErrCursor
	}
	if err == nil && len(gone) > max {
		err = backends.ErrTooBig
	}
	if err != nil {
		return nil, nil, err
	}
	refs := make([]protocol.Ref, 0, len(gone))
	for r := range gone {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(a, b protocol.Ref) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
	})
	return refs, h.cursor, nil
}

// oldest is the cursor from which on the history is kept: the floor, or where the server's log begins. Without the right
// to read that log, it is now.
func (b *Backend) oldest(ctx context.Context, h head) (cursor, error) {
	from := cursor{h.epoch, h.floor}
	err := b.do(ctx, "read the oplog's beginning", func(ctx context.Context) error {
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
