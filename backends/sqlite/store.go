package sqlite

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// OR FAIL spares SQLite a journal for each statement, and so a copy of every page that the
// statement changes. A statement that fails halfway therefore ends the writer's whole transaction:
// see [refusal].
const (
	insertSQL = `INSERT OR FAIL INTO app_data
		(workspace_id, app_id, collection, id, data, created_at, updated_at, rev)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	updateSQL = `UPDATE OR FAIL app_data SET data = ?, updated_at = ?, rev = ?
		WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?`
	deleteSQL = `DELETE FROM app_data WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?`
)

// store stores a change. Triggers log it.
func (t *transaction) store(change *backends.Change) error {
	ctx, c, r, doc := context.Background(), t.writer.conn, change.Ref, change.Doc
	workspace, app := r.Scope.Workspace, r.Scope.StoredApp()
	switch change.Op {
	case backends.Insert:
		n, err := c.exec(ctx, insertSQL, workspace, app, r.Collection, r.ID,
			string(doc.Data), doc.Created.UnixMilli(), doc.Updated.UnixMilli(), doc.Rev)
		if err == nil && n == 0 { // also if a withheld document has the id
			return driverkit.ErrExists(r)
		}
		return err
	case backends.Update:
		_, err := c.exec(ctx, updateSQL,
			string(doc.Data), doc.Updated.UnixMilli(), doc.Rev, workspace, app, r.Collection, r.ID)
		return err
	}
	_, err := c.exec(ctx, deleteSQL, workspace, app, r.Collection, r.ID)
	return err
}
