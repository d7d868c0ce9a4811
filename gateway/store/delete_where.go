package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// previewKind is the kind of the ledger's entries of deletions that were shown.
	previewKind = "delete-where"
	// previewTime is how long a deletion that was shown can be carried out.
	previewTime = 10 * time.Minute
	// MaxDelete bounds the documents of one deletion.
	MaxDelete = 10_000
	// maxNames bounds their ids and maxShown the data of those that are shown, in bytes.
	maxNames, maxShown = 4 << 20, 1 << 20
)

// preview is a deletion that was shown: exactly these documents, as they were then.
type preview struct {
	By         string     `json:"by"` // the principal's id
	Scope      string     `json:"scope"`
	Collection string     `json:"collection"`
	Docs       []revision `json:"docs"`
}

type revision struct {
	ID  string `json:"id"`
	Rev string `json:"rev"`
}

// Preview is what a deletion would delete.
type Preview struct {
	// Token carries it out, for ten minutes; empty if nothing matches.
	Token   string
	Matches int
	// First are the first of the documents.
	First []protocol.Document
}

// PreviewDelete finds the documents of a query, and keeps which they are, so that
// [Store.DeletePreviewed] deletes what was shown and nothing else.
func (s *Store) PreviewDelete(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request, show int,
) (out Preview, refused *protocol.Error) {
	deleting := access.Use{Collection: r.Collection, Operation: access.OpDelete}
	if refused := s.allow(ctx, p, scope, access.Write, deleting); refused != nil {
		return out, refused
	}
	kept := preview{By: p.ID, Scope: scope.String(), Collection: r.Collection}
	shown, names := 0, 0
	ask := *r
	ask.Limit, ask.Order, ask.Fields, ask.After = protocol.MaxResults, []string{"_id"}, nil, ""
	for {
		a, _ := s.Query(ctx, p, scope, &ask, Read{})
		if a.Err != nil {
			return out, a.Err
		}
		for i := range a.Docs {
			if shown += len(a.Docs[i].Data); len(out.First) < show && shown <= maxShown {
				out.First = append(out.First, a.Docs[i])
			}
			kept.Docs = append(kept.Docs, revision{a.Docs[i].ID, a.Docs[i].Rev})
			names += len(a.Docs[i].ID)
		}
		if len(kept.Docs) > MaxDelete || names > maxNames {
			return out, protocol.Errorf(
				protocol.CodeTooLarge,
				"over %d documents match, or their ids are too long for one deletion: narrow where down",
				MaxDelete,
			)
		}
		if ask.After = a.Next; ask.After == "" {
			break
		}
	}
	if out.Matches = len(kept.Docs); out.Matches == 0 {
		return out, nil
	}
	body, _ := json.Marshal(kept) // cannot fail
	out.Token = rand.Text()
	now := s.now()
	err := s.backend.Put(ctx, backends.Entry{
		Kind: previewKind, Key: out.Token, Body: body, At: now, Expires: now.Add(previewTime),
	}, true)
	if err != nil {
		return out, s.Failure(r, err)
	}
	return out, nil
}

var errNoPreview = protocol.Errorf(protocol.CodeNotFound,
	"the token is used up, older than %v, or not yours: ask again with where", previewTime)

// Previewed is how many documents a token deletes.
func (s *Store) Previewed(
	ctx context.Context, p access.Principal, scope protocol.Scope, token string,
) (documents int, refused *protocol.Error) {
	if protocol.CheckNewID(token) != nil { // no token looks like that
		return 0, errNoPreview
	}
	found, err := s.backend.Find(ctx, previewKind, token, "", 1)
	if err != nil {
		return 0, s.Failure(&protocol.Request{}, err)
	}
	if len(found) == 0 || found[0].Key != token {
		return 0, errNoPreview
	}
	kept, refused := readPreview(p, scope, found[0].Body)
	return len(kept.Docs), refused
}

func readPreview(
	p access.Principal,
	scope protocol.Scope,
	body []byte,
) (kept preview, refused *protocol.Error) {
	if json.Unmarshal(body, &kept) != nil || kept.By != p.ID || kept.Scope != scope.String() {
		return kept, errNoPreview
	}
	return kept, nil
}

// DeletePreviewed deletes what was shown under a token, which is used up. It refuses, and names the
// documents, if one has changed since. More than 1,000 are deleted in several transactions.
func (s *Store) DeletePreviewed(
	ctx context.Context, p access.Principal, scope protocol.Scope, token string,
) (deleted int, refused *protocol.Error) {
	if _, refused := s.Previewed(ctx, p, scope, token); refused != nil {
		return 0, refused
	}
	e, err := s.backend.Take(ctx, previewKind, token)
	if errors.Is(err, &protocol.Error{Code: protocol.CodeNotFound}) {
		return 0, errNoPreview
	}
	if err != nil {
		return 0, s.Failure(&protocol.Request{}, err)
	}
	kept, refused := readPreview(p, scope, e.Body)
	if refused != nil {
		return 0, refused
	}
	all := kept.documents(scope)
	if len(all) > undoAtOnce { // one part alone finds out by itself
		if refused := s.inTheWay(ctx, all, "deleted"); refused != nil {
			return 0, refused
		}
	}
	for from := 0; from < len(all); from += undoAtOnce {
		part := all[from:min(from+undoAtOnce, len(all))]
		if refused := s.deletePart(ctx, p, scope, part); refused != nil {
			return deleted, deletedBefore(refused, deleted, p.ChangeSet)
		}
		deleted += len(part)
	}
	return deleted, nil
}

func (k *preview) documents(scope protocol.Scope) (all []*undoing) {
	for _, d := range k.Docs {
		all = append(
			all,
			&undoing{ref: protocol.Ref{Scope: scope, Collection: k.Collection, ID: d.ID}, is: d.Rev},
		)
	}
	return all
}

// deletePart deletes some documents, all or nothing.
func (s *Store) deletePart(
	ctx context.Context, p access.Principal, scope protocol.Scope, part []*undoing,
) *protocol.Error {
	batch := &protocol.Request{Type: protocol.TypeBatch}
	for _, d := range part {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeDelete, Collection: d.ref.Collection, DocID: d.ref.ID, IfRev: d.is,
		})
	}
	refused := s.Write(ctx, p, scope, []*protocol.Request{batch})[0].Answer.Err
	if refused != nil && (refused.Code == protocol.CodeConflict || refused.Code == protocol.CodeNotFound) {
		if named := s.inTheWay(ctx, part, "deleted"); named != nil {
			return named
		}
	}
	return refused
}

// deletedBefore is a refusal that says what was deleted before it.
func deletedBefore(refused *protocol.Error, deleted int, changeSet string) *protocol.Error {
	if deleted == 0 {
		return refused
	}
	return protocol.Errorf(refused.Code,
		"%s; the %d documents before them were deleted, which undoing the change set %s takes back",
		refused.Message, deleted, changeSet)
}
