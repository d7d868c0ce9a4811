package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// grantToCheck is what to do if the check lacks a right.
const grantToCheck = "serve works without; " +
	"to have it checked, grant the role clusterMonitor, or what docs/operations.md lists"

// oplog compares the time that the oplog spans with the retention. An oplog that is not full has
// lost nothing yet, and will span more.
func (c *check) oplog(ctx context.Context) error {
	first, last, err := c.span(ctx)
	var size, most int64
	if err == nil {
		size, most, err = c.oplogSize(ctx)
	}
	if lacksRight(err) {
		c.Warn(grantToCheck, "this user may not see how far back the oplog goes")
		return nil
	}
	if err != nil {
		return err
	}
	span := last.Sub(first)
	if span < driverkit.DefaultRetention && size >= most-most/10 {
		c.Warn("enlarge it: db.adminCommand({replSetResizeOplog: 1, size: MEGABYTES, minRetentionHours: 24}) "+
			"on each member; clients that were away for longer list again",
			"the oplog is full (%d MB) and goes back %s, less than the retention of %s", size>>20, span,
			driverkit.DefaultRetention)
		return nil
	}
	c.OK("the oplog goes back %s, and takes %d of %d MB", span, size>>20, most>>20)
	return nil
}

// span returns the times of the first and the last entry of the oplog.
func (c *check) span(ctx context.Context) (first, last time.Time, err error) {
	oplog := c.b.client.Database("local").Collection("oplog.rs")
	read := func(direction int) (at time.Time, err error) {
		var entry struct {
			At bson.Timestamp `bson:"ts"`
		}
		natural := options.FindOne().SetSort(bson.D{{Key: "$natural", Value: direction}})
		err = oplog.FindOne(ctx, bson.D{}, natural).Decode(&entry)
		return time.Unix(int64(entry.At.T), 0), err
	}
	if first, err = read(1); err == nil {
		last, err = read(-1)
	}
	return first, last, err
}

func (c *check) oplogSize(ctx context.Context) (size, most int64, err error) {
	var stats struct {
		Size int64
		Max  int64 `bson:"maxSize"`
	}
	command := bson.D{{Key: "collStats", Value: "oplog.rs"}}
	err = c.b.client.Database("local").RunCommand(ctx, command).Decode(&stats)
	return stats.Size, stats.Max, err
}

// images compares the time for which the server keeps images with the retention.
func (c *check) images(ctx context.Context) error {
	var parameters struct {
		All []struct {
			Images struct {
				Expire bson.RawValue `bson:"expireAfterSeconds"` // "off" or a number
			} `bson:"preAndPostImages"`
		} `bson:"clusterParameters"`
	}
	err := c.admin(ctx, bson.D{{Key: "getClusterParameter", Value: "changeStreamOptions"}}, &parameters)
	if lacksRight(err) {
		c.Warn(grantToCheck, "this user may not see when pre- and post-images expire")
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range parameters.All {
		seconds, ok := p.Images.Expire.AsInt64OK()
		if expire := time.Duration(seconds) * time.Second; ok && expire < driverkit.DefaultRetention {
			c.Warn("db.adminCommand({setClusterParameter: {changeStreamOptions: "+
				`{preAndPostImages: {expireAfterSeconds: "off"}}}}); clients that were away for longer list again`,
				"pre- and post-images expire after %s, less than the retention of %s", expire, driverkit.DefaultRetention)
			return nil
		}
	}
	c.OK("pre- and post-images are kept for as long as the retention")
	return nil
}
