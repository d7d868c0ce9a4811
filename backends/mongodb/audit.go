package mongodb

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// auditName is the collection whose documents web apps show as their audit log. Rows of the ledger's
// kind backends.AuditKind are its documents, and documents that such a web app has written are rows.
const auditName = "audit_events"

func (b *Backend) audit() *mongo.Collection { return b.database.Collection(auditName) }

// auditIndexes are those that such web apps make, under their names: two indexes of the same fields
// under different names are an error. Only the last one is the gateway's: it removes rows.
func auditIndexes() []mongo.IndexModel {
	var all []mongo.IndexModel
	for _, index := range []struct {
		name   string
		fields []string
	}{
		{"category", []string{"category"}},
		{"event", []string{"eventName"}},
		{"actor", []string{"actor.userId"}},
		{"target", []string{"target.type", "target.id"}},
		{"source_app", []string{"source.appId"}},
		{"correlation", []string{"correlationId"}},
	} {
		keys := bson.D{{Key: "workspaceId", Value: 1}}
		for _, field := range index.fields {
			keys = append(keys, bson.E{Key: field, Value: 1})
		}
		keys = append(keys, bson.E{Key: "occurredAt", Value: -1})
		name := "audit_events_workspace_" + index.name + "_occurred"
		all = append(all, mongo.IndexModel{Keys: keys, Options: options.Index().SetName(name)})
	}
	return append(
		all,
		mongo.IndexModel{
			Keys:    byTime(-1),
			Options: options.Index().SetName("audit_events_workspace_occurred"),
		},
		mongo.IndexModel{
			Keys: bson.D{{Key: "retention.expiresAt", Value: 1}},
			Options: options.Index().SetExpireAfterSeconds(0).
				SetPartialFilterExpression(bson.D{{Key: "retention.legalHold", Value: false}}),
		},
	)
}

// byTime is the order of AuditKeys, in a direction.
func byTime(direction int) bson.D {
	return bson.D{
		{Key: "workspaceId", Value: 1}, {Key: "occurredAt", Value: direction}, {Key: "_id", Value: direction},
	}
}

// auditDates are the fields of a row that are dates, and not texts.
var auditDates = map[string]bool{"occurredAt": true, "observedAt": true, "createdAt": true}

// errNoRow is a defect of the caller.
var errNoRow = errors.New("the body of a row of the audit trail must be a JSON object")

// auditRow is a row as it is stored.
func auditRow(e backends.Entry) (bson.D, error) {
	if len(e.Body) == 0 || e.Body[0] != '{' {
		return nil, errNoRow
	}
	row, _ := fromJSON(e.Body).(bson.D)
	for i := range row {
		switch {
		case auditDates[row[i].Key]:
			row[i].Value = asDate(row[i].Value)
		case row[i].Key == "retention":
			retention, _ := row[i].Value.(bson.D)
			for j := range retention {
				if retention[j].Key == "expiresAt" {
					retention[j].Value = asDate(retention[j].Value)
				}
			}
		}
	}
	return row, nil
}

// asDate makes a date of the text of one. Anything else stays.
func asDate(value any) any {
	text, _ := value.(string)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	return value
}

// auditEntry is the inverse of auditRow. ok is false for a document that is no row: its _id or time
// is of another type, or the JSON rules refuse it.
func auditEntry(raw bson.Raw) (e backends.Entry, ok bool) {
	workspace, ok1 := raw.Lookup("workspaceId").StringValueOK()
	id, ok2 := raw.Lookup("_id").StringValueOK()
	at, ok3 := raw.Lookup("occurredAt").TimeOK()
	body, err := toJSON(raw)
	if !ok1 || !ok2 || !ok3 || err != nil || !protocol.ServerMade(id) {
		return e, false
	}
	at = at.UTC()
	e = backends.Entry{
		Kind: backends.AuditKind,
		Key:  backends.AuditKey(workspace, at, id),
		Body: body,
		At:   at,
	}
	if expires, ok := raw.Lookup("retention", "expiresAt").TimeOK(); ok {
		e.Expires = expires.UTC()
	}
	return e, true
}

// auditExpired is a condition for rows that the server removes. It waits for up to a minute.
func auditExpired() bson.D {
	return bson.D{
		{Key: "retention.expiresAt", Value: bson.D{{Key: "$lte", Value: time.Now()}}},
		{Key: "retention.legalHold", Value: false},
	}
}

func (b *Backend) putAudit(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	_, _, id, _ := backends.ParseAuditKey(e.Key)
	filter := bson.D{{Key: "_id", Value: id}}
	if ifAbsent { // as in Put
		filter = append(filter, auditExpired()...)
	}
	row, err := auditRow(e)
	if err == nil {
		_, err = b.audit().ReplaceOne(ctx, filter, row, options.Replace().SetUpsert(true))
	}
	if ifAbsent && mongo.IsDuplicateKeyError(err) {
		return driverkit.ErrEntryExists(e.Key)
	}
	return err
}

func (b *Backend) takeAudit(ctx context.Context, key string) (e backends.Entry, err error) {
	workspace, at, id, _ := backends.ParseAuditKey(key)
	filter := bson.D{
		{Key: "_id", Value: id}, {Key: "workspaceId", Value: workspace}, {Key: "occurredAt", Value: at},
		{Key: "$nor", Value: bson.A{auditExpired()}},
	}
	var raw bson.Raw
	err = b.audit().FindOneAndDelete(ctx, filter).Decode(&raw)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return e, driverkit.ErrNoEntry(key)
	}
	e, _ = auditEntry(raw)
	return e, err
}

// findAudit reads rows of one workspace beyond a bound, in a direction; or any row of a further
// workspace: see [backends.AuditKind].
func (b *Backend) findAudit(
	ctx context.Context, prefix, bound string, direction, limit int,
) (entries []backends.Entry, err error) {
	if limit <= 0 { // the server would take it for no limit
		return nil, nil
	}
	filter := bson.D{
		{
			Key:   "_id",
			Value: bson.Regex{Pattern: "^[0-9a-f]{24}$"},
		}, {Key: "$nor", Value: bson.A{auditExpired()}},
	}
	sort := byTime(direction)
	if prefix == "" {
		seen := strings.TrimSuffix(bound, backends.AfterWorkspace(""))
		filter, sort = append(filter, past("workspaceId", seen, 1)), byTime(-1)
	} else {
		filter = append(filter, bson.E{Key: "workspaceId", Value: strings.TrimSuffix(prefix, "/")})
	}
	if prefix != "" && bound != "" {
		filter = append(filter, beyond(bound, direction)...)
	}
	o := options.Find().SetSort(sort).SetLimit(int64(limit))
	err = b.do(ctx, "find", func(ctx context.Context) error {
		found, err := b.audit().Find(ctx, filter, o)
		if err != nil {
			return err
		}
		defer closeCursor(ctx, found)
		for found.Next(ctx) {
			if e, ok := auditEntry(found.Current); ok {
				entries = append(entries, e)
			}
		}
		return found.Err()
	})
	return entries, err
}

// beyond is a condition for rows of a workspace after a key, or before it. The first of its parts is
// what an index serves.
func beyond(key string, direction int) bson.D {
	_, at, id, _ := backends.ParseAuditKey(key)
	inclusive := "$gte"
	if direction < 0 {
		inclusive = "$lte"
	}
	return bson.D{
		{Key: "occurredAt", Value: bson.D{{Key: inclusive, Value: at}}},
		{Key: "$or", Value: bson.A{
			bson.D{past("occurredAt", at, direction)},
			bson.D{{Key: "occurredAt", Value: at}, past("_id", id, direction)},
		}},
	}
}

// past is a condition for a field beyond a value, in a direction.
func past(field string, value any, direction int) bson.E {
	than := "$gt"
	if direction < 0 {
		than = "$lt"
	}
	return bson.E{Key: field, Value: bson.D{{Key: than, Value: value}}}
}
