package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

// wireOf60 is the wire version of MongoDB 6.0.
const wireOf60 = 17

// serverInfo is what a server says of itself.
type serverInfo struct {
	SetName string    `bson:"setName"`
	Message string    `bson:"msg"`          // isdbgrid: a mongos
	Bare    bool      `bson:"isreplicaset"` // the replica set is not initiated
	Wire    int       `bson:"maxWireVersion"`
	Hosts   []string  `bson:"hosts"` // as the members know each other
	Now     time.Time `bson:"localTime"`
}

// unusable says why a server cannot be used: what is wrong, a colon, what to do.
type unusable string

func (u unusable) Error() string { return string(u) }

func hello(ctx context.Context, client *mongo.Client) (h serverInfo, err error) {
	err = client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h)
	return h, err
}

// usable fails on a server that lacks what the gateway needs. A server without a replica set has no
// change streams, no snapshots and no transactions.
func (h serverInfo) usable() error {
	switch {
	case h.Bare:
		return unusable("the MongoDB replica set is not initiated: run rs.initiate() once in mongosh")
	case h.Message == "isdbgrid":
		return unusable("the MongoDB server is a router of a sharded cluster, which is not supported: " +
			"name a replica set")
	case h.SetName == "":
		return unusable("the MongoDB server is no member of a replica set: " +
			"start it with --replSet rs0 and run rs.initiate() once in mongosh")
	case h.Wire < wireOf60:
		return unusable(fmt.Sprintf("the MongoDB server is too old: "+
			"6.0 or newer is needed (its wire version is %d)", h.Wire))
	}
	return nil
}

// explainSelection finds the reason why no primary was found. It asks the hosts of the URL one by
// one, since the client ignores hosts that do not fit the URL. It returns any other error as it is.
func explainSelection(ctx context.Context, address string, err error) error {
	var selection topology.ServerSelectionError
	if !errors.As(err, &selection) {
		return err
	}
	named := options.Client().ApplyURI(address)
	for _, host := range named.Hosts {
		if h, err := helloHost(ctx, named, host); err == nil {
			return h.unreachable(named)
		}
	}
	return unusable("no host of the MongoDB URL answers: " +
		"look at its hosts and ports, and whether the server runs and wants TLS")
}

// helloHost asks one host, whatever replica set it belongs to.
func helloHost(ctx context.Context, named *options.ClientOptions, host string) (serverInfo, error) {
	o := options.Client().SetHosts([]string{host}).SetDirect(true)
	o.SetServerSelectionTimeout(selectionTime).SetConnectTimeout(dialTime)
	o.TLSConfig = named.TLSConfig
	client, err := mongo.Connect(o)
	if err != nil {
		return serverInfo{}, err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	return hello(ctx, client)
}

// unreachable says why the URL does not lead to a primary of the server's replica set.
func (h serverInfo) unreachable(named *options.ClientOptions) error {
	if err := h.usable(); err != nil {
		return err
	}
	if named.ReplicaSet != nil && *named.ReplicaSet != h.SetName {
		return unusable(fmt.Sprintf("the MongoDB replica set is named %s: "+
			"write replicaSet=%[1]s in the URL", h.SetName))
	}
	if !slices.ContainsFunc(h.Hosts, func(host string) bool { return slices.Contains(named.Hosts, host) }) {
		return unusable(fmt.Sprintf("the MongoDB replica set knows its members as %s, "+
			"of which none that takes writes "+
			"can be reached from here: make these names known here, or give the members others with rs.reconfig()",
			strings.Join(h.Hosts, ", ")))
	}
	return unusable("the MongoDB replica set has no primary: look at rs.status() in mongosh")
}
