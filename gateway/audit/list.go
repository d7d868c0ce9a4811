package audit

import (
	"context"

	"github.com/secondgate/secondgate/backends"
)

const (
	// listPage is how many rows are read at once.
	listPage = 500
	// mostScanned bounds the rows that one request looks at. A filter that matches few of them is
	// answered with what was found so far, and where to go on.
	mostScanned = 5000
)

// Page is part of the rows that a Query asks for.
type Page struct {
	Items []Item `json:"items"`
	// NextBefore is the before of the next page; nil at the end.
	NextBefore *string `json:"nextBefore"`
}

// List returns rows of a workspace, newest first. Each request looks at a bounded number of rows.
func (t *Trail) List(ctx context.Context, workspace string, q Query) (Page, error) {
	page := Page{Items: []Item{}}
	below := q.newest(workspace)
	for scanned := 0; scanned < mostScanned; {
		rows, err := t.ledger.FindLast(ctx, backends.AuditKind, workspace+"/", below, listPage)
		if err != nil {
			return Page{}, err
		}
		for _, row := range rows {
			if row.At.Before(q.Since) {
				return page, nil
			}
			below = row.Key
			if v := eventOf(row); v.matches(&q) {
				page.Items = append(page.Items, v.item())
			}
			if len(page.Items) == q.Limit {
				return page.goOn(below), nil
			}
		}
		if len(rows) < listPage {
			return page, nil
		}
		scanned += len(rows)
	}
	return page.goOn(below), nil
}

func (p Page) goOn(below string) Page {
	next := positionOf(below)
	p.NextBefore = &next
	return p
}
