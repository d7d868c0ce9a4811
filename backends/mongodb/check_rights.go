package mongodb

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// rightsOn are the rights that serving takes, by collection: all are within the role readWrite. "" is the database. Beside
// them collMod is needed where images are off.
var rightsOn = map[string]string{
	"":            "listCollections",
	"app_data":    "find insert update remove changeStream createCollection createIndex listIndexes",
	mutationsName: "find insert createCollection createIndex listIndexes",
	locksName:     "find insert update createCollection",
	ledgerName:    "find insert update remove createCollection createIndex listIndexes",
	metaName:      "find insert update remove createCollection",
}

// privilege is what a user may do to some resource.
type privilege struct {
	Resource struct {
		DB         *string
		Collection *string
		Any        bool `bson:"anyResource"`
	}
	Actions []string
}

// covers as the server does: an empty name stands for all, of collections too.
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

// rights are asked of the server, which tells what the roles of the user come to. Nothing is tried, since nothing must
// change.
func (c *check) rights(ctx context.Context) error {
	var status struct {
		Info struct {
			Users      []bson.Raw  `bson:"authenticatedUsers"`
			Privileges []privilege `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	if err := c.admin(ctx, bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}, &status); err != nil {
		return err
	}
	if len(status.Info.Users) == 0 {
		if _, err := c.b.docs.EstimatedDocumentCount(ctx); err != nil {
			return err
		}
		c.found(backends.LevelOK, "", "the server asks nobody who they are")
		return nil
	}
	all := status.Info.Privileges
	if lacking := c.lacking(all); len(lacking) > 0 {
		c.found(backends.LevelFail, "grant the role readWrite on "+c.b.database.Name()+", or what docs/operations.md lists", "this user lacks %s", strings.Join(lacking, ", "))
		return nil
	}
	return c.modifying(ctx, all)
}

// modifying: where images are on, or the collection is still to be made, collMod is for a day on which they are off.
func (c *check) modifying(ctx context.Context, all []privilege) error {
	if c.has(all, "app_data", "collMod") {
		c.found(backends.LevelOK, "", "this user has the rights that it needs")
		return nil
	}
	kind, imaged, err := c.look(ctx)
	if err != nil {
		return err
	}
	level, what := backends.LevelWarn, "this user has the rights that it needs, but collMod on app_data, to switch images on should they be off"
	if kind != "" && !imaged {
		level, what = backends.LevelFail, "this user lacks collMod on app_data, and images are off"
	}
	c.found(level, "grant the role dbAdmin on "+c.b.database.Name()+", or what docs/operations.md lists", "%s", what)
	return nil
}

func (c *check) has(all []privilege, collection, right string) bool {
	return slices.ContainsFunc(all, func(p privilege) bool {
		return p.covers(c.b.database.Name(), collection) && slices.Contains(p.Actions, right)
	})
}

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
