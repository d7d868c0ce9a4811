package driverkit

import (
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// PageBuilder builds a page of a list within the bounds of a query.
type PageBuilder struct {
	Page backends.Page
	// Size is the size in bytes of the data of all documents given to Add.
	Size int
	// Full is true once a document did not fit. Nothing is added after that.
	Full  bool
	query backends.Query
	after *backends.Position
}

// NewPageBuilder fails with invalid_cursor if q.After is malformed.
func NewPageBuilder(q backends.Query) (*PageBuilder, error) {
	p := &PageBuilder{query: q}
	if q.After != "" {
		after, err := backends.ParsePosition(q.After)
		if err != nil {
			return nil, err
		}
		p.after = &after
	}
	return p, nil
}

// Reset empties the page, for a read that begins anew in the snapshot at.
func (p *PageBuilder) Reset(at backends.Cursor) {
	p.Page, p.Size, p.Full = backends.Page{Cursor: at}, 0, false
}

// After is the position after which the page begins; nil: at the beginning of the list.
func (p *PageBuilder) After() *backends.Position { return p.after }

// Bounded reports whether the page may end before the list does.
func (p *PageBuilder) Bounded() bool { return p.query.Limit > 0 || p.query.MaxBytes > 0 }

// Add adds the next document of the list. If it does not fit, the page is full and ends before it.
func (p *PageBuilder) Add(doc *protocol.Document) {
	if p.Full {
		return
	}
	q, n := &p.query, len(p.Page.Docs)
	p.Size += len(doc.Data)
	if n > 0 && (q.Limit > 0 && n >= q.Limit || q.MaxBytes > 0 && p.Size > q.MaxBytes) {
		last := &p.Page.Docs[n-1]
		p.Page.Next, p.Full = backends.Position{Updated: last.Updated, ID: last.ID}.String(), true
		return
	}
	p.Page.Docs = append(p.Page.Docs, *doc)
}

// Compare is the order of lists, for package slices.
func Compare(a, b *protocol.Document) int {
	switch {
	case backends.Before(a, b):
		return -1
	case backends.Before(b, a):
		return 1
	}
	return 0
}

// SortDocuments sorts in the order of lists.
func SortDocuments(docs []protocol.Document) {
	slices.SortFunc(docs, func(a, b protocol.Document) int { return Compare(&a, &b) })
}
