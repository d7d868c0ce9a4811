package mongodb

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// rightsOn are the rights that serving needs, by collection; "" is the database. The role readWrite
// has all of them. If images are off, serving also needs collMod.
var rightsOn = map[string]string{
	"":            "listCollections",
	documentsName: "find insert update remove changeStream createCollection createIndex dropIndex listIndexes",
	mutationsName: "find insert createCollection createIndex listIndexes",
	locksName:     "find insert update createCollection createIndex listIndexes",
	ledgerName:    "find insert update remove createCollection createIndex listIndexes",
	auditName:     "find insert update remove createCollection createIndex listIndexes",
	metaName:      "find insert update remove createCollection",
}

// privilege is the actions that a user may take on a resource.
type privilege struct {
	Resource struct {
		DB         *string
		Collection *string
		Any        bool `bson:"anyResource"`
	}
	Actions []string
}

// covers reports whether the resource includes a collection. As for the server, an empty name means
// all.
func (p privilege) covers(database, collection string) bool {
	r := p.Resource
	if r.Any {
		return true
	}
	if r.DB == nil || r.Collection == nil || *r.DB != "" && *r.DB != database {
		return false
	}
	return *r.Collection == "" || *r.Collection == collection
}

// rights asks the server for the privileges of the user. It does not try anything out: nothing must
// change.
func (c *check) rights(ctx context.Context) error {
	var status struct {
		Info struct {
			Users      []bson.Raw  `bson:"authenticatedUsers"`
			Privileges []privilege `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	command := bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}
	if err := c.admin(ctx, command, &status); err != nil {
		return err
	}
	if len(status.Info.Users) == 0 {
		if _, err := c.b.docs.EstimatedDocumentCount(ctx); err != nil {
			return err
		}
		c.OK("the server asks nobody who they are")
		return nil
	}
	all := status.Info.Privileges
	if lacking := c.lacking(all); len(lacking) > 0 {
		c.Fail("grant the role readWrite on "+c.b.database.Name()+", or what docs/operations.md lists",
			"this user lacks %s", strings.Join(lacking, ", "))
		return nil
	}
	return c.collMod(ctx, all)
}

// collMod fails if the right collMod is missing and images are off. Otherwise serving does not need
// the right now, and collMod warns.
func (c *check) collMod(ctx context.Context, all []privilege) error {
	if c.has(all, documentsName, "collMod") {
		c.OK("this user has the rights that it needs")
		return nil
	}
	kind, imaged, err := c.collection(ctx)
	if err != nil {
		return err
	}
	fix := "grant the role dbAdmin on " + c.b.database.Name() + ", or what docs/operations.md lists"
	if kind != "" && !imaged {
		c.Fail(fix, "this user lacks collMod on app_data, and images are off")
	} else {
		c.Warn(fix, "this user has the rights that it needs, but collMod on app_data, "+
			"to switch images on should they be off")
	}
	return nil
}

func (c *check) has(all []privilege, collection, right string) bool {
	return slices.ContainsFunc(all, func(p privilege) bool {
		return p.covers(c.b.database.Name(), collection) && slices.Contains(p.Actions, right)
	})
}

// lacking returns the rights that the user lacks, sorted.
func (c *check) lacking(all []privilege) (lacking []string) {
	for collection, rights := range rightsOn {
		for right := range strings.FieldsSeq(rights) {
			if c.has(all, collection, right) {
				continue
			}
			on := collection
			if on == "" {
				on = "the database " + c.b.database.Name()
			}
			lacking = append(lacking, right+" on "+on)
		}
	}
	slices.Sort(lacking)
	return lacking
}
