package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Documents have no field of the gateway's, so a change does not say who made it. Each transaction
// of a gateway therefore replaces one more document of app_data, its note of authors. The change
// stream shows the note with the changes of its transaction, which have the same cluster time. A
// note has no workspaceId, so it belongs to no scope, and no client sees it.

// authorsPrefix begins the _id of notes. No document of a client has such an _id: see id.go.
const authorsPrefix = "secondgate:authors:"

// authorsTime is how long the note of a gateway that writes nothing is kept.
const authorsTime = 24 * time.Hour

// note tells who made the changes of a transaction.
type note struct {
	ID string    `bson:"_id"`
	At time.Time `bson:"at"`
	// Scopes are those of the changes, for those who read the history of one.
	Scopes []string     `bson:"scopes"`
	By     []authorship `bson:"by"`
}

// authorship is what one actor has changed.
type authorship struct {
	Actor string `bson:"actor"`
	// Keys are the changed documents by _id. There are none where the actor has changed all.
	Keys bson.A `bson:"keys,omitempty"`
}

// scopeName is a scope as notes name it.
func scopeName(s protocol.Scope) string {
	return escaper.Replace(s.Workspace) + "/" + escaper.Replace(s.StoredApp())
}

// authorNote is the write of the group's note; nil if nobody is to be named.
func (g *group) authorNote() mongo.WriteModel {
	n := note{ID: authorsPrefix + g.backend.lease.id, At: time.Now()}
	scopes, of, all := map[string]bool{}, map[string]int{}, true
	for r, key := range g.stored {
		by := g.authors[r]
		if by == (backends.Actor{}) {
			all = false
			continue
		}
		if name := scopeName(r.Scope); !scopes[name] {
			scopes[name] = true
			n.Scopes = append(n.Scopes, name)
		}
		i, known := of[by.String()]
		if !known {
			i = len(n.By)
			of[by.String()], n.By = i, append(n.By, authorship{Actor: by.String()})
		}
		n.By[i].Keys = append(n.By[i].Keys, key)
	}
	if len(n.By) == 0 {
		return nil
	}
	if all && len(n.By) == 1 {
		n.By[0].Keys = nil
	}
	own := bson.D{{Key: "_id", Value: n.ID}}
	return mongo.NewReplaceOneModel().SetFilter(own).SetReplacement(n).SetUpsert(true)
}

// authors are those of the transactions of some events.
type authors map[bson.Timestamp]*authorsOf

// authorsOf are those of one transaction.
type authorsOf struct {
	all   backends.Actor            // zero: keys has each document's
	byKey map[string]backends.Actor // by _id
}

// authorsIn finds the notes among events.
func authorsIn(events []event) authors {
	var found authors
	for i := range events {
		var n struct {
			By []struct {
				Actor string
				Keys  []bson.RawValue
			}
		}
		if !events[i].isNote() || bson.Unmarshal(events[i].doc, &n) != nil {
			continue
		}
		of := &authorsOf{byKey: map[string]backends.Actor{}}
		for _, by := range n.By {
			actor := backends.ParseActor(by.Actor)
			if len(by.Keys) == 0 {
				of.all = actor
			}
			for _, key := range by.Keys {
				of.byKey[keyText(key)] = actor
			}
		}
		if found == nil {
			found = authors{}
		}
		found[events[i].at] = of
	}
	return found
}

// of is who made the change of an event; zero if nobody says.
func (a authors) of(e *event) backends.Actor {
	of := a[e.at]
	if of == nil {
		return backends.Actor{}
	}
	if of.all != (backends.Actor{}) {
		return of.all
	}
	image := e.doc
	if image == nil {
		image = e.before
	}
	return of.byKey[keyText(image.Lookup("_id"))]
}

// keyText tells different _ids apart.
func keyText(key bson.RawValue) string { return string(key.Type) + string(key.Value) }

// isNote reports whether an event is that of a note.
func (e *event) isNote() bool {
	id, _ := e.doc.Lookup("_id").StringValueOK()
	return len(id) > len(authorsPrefix) && id[:len(authorsPrefix)] == authorsPrefix
}

// dropAuthors removes the notes of gateways that have written nothing for long.
func (b *Backend) dropAuthors(ctx context.Context, now time.Time) error {
	_, err := b.docs.DeleteMany(ctx, bson.D{
		{Key: "_id", Value: bson.D{
			{Key: "$gte", Value: authorsPrefix}, {Key: "$lt", Value: authorsPrefix + "~"},
		}},
		{Key: "at", Value: bson.D{{Key: "$lt", Value: now.Add(-authorsTime)}}},
	})
	return err
}
