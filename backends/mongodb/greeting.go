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

// greeting is what a server says of itself.
type greeting struct {
	SetName string    `bson:"setName"`
	Message string    `bson:"msg"` // isdbgrid: a mongos
	Bare    bool      `bson:"isreplicaset"`
	Wire    int       `bson:"maxWireVersion"`
	Hosts   []string  `bson:"hosts"` // as the members know each other
	Now     time.Time `bson:"localTime"`
}

// unfit is a sentence on a server that cannot be served from: what is wrong, a colon, what to do.
type unfit string

func (u unfit) Error() string { return string(u) }

func greet(ctx context.Context, client *mongo.Client) (h greeting, err error) {
	err = client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h)
	return h, err
}

// judge refuses servers that lack what the gateway needs: a server of its own has no change streams, no snapshots and no
// transactions.
func (h greeting) judge() error {
	switch {
	case h.Bare:
		return unfit("the MongoDB replica set is not initiated: run rs.initiate() once in mongosh")
	case h.Message == "isdbgrid":
		return unfit("the MongoDB server is a router of a sharded cluster, which is not supported: name a replica set")
	case h.SetName == "":
		return unfit("the MongoDB server is no member of a replica set: start it with --replSet rs0 and run rs.initiate() once in mongosh")
	case h.Wire < wireOf60:
		return unfit(fmt.Sprintf("the MongoDB server is too old: 6.0 or newer is needed (its wire version is %d)", h.Wire))
	}
	return nil
}

// closer looks for the reason why no primary was found, by asking the hosts of the URL one by one: the client drops those
// that are not what the URL says. It is the error itself where nobody knows better.
func closer(ctx context.Context, address string, err error) error {
	var selection topology.ServerSelectionError
	if !errors.As(err, &selection) {
		return err
	}
	named := options.Client().ApplyURI(address)
	for _, host := range named.Hosts {
		h, e := greetHost(ctx, named, host)
		if e != nil {
			continue
		}
		return h.lost(named)
	}
	return unfit("no host of the MongoDB URL answers: look at its hosts and ports, and whether the server runs and wants TLS")
}

// greetHost asks one host, whatever it is part of.
func greetHost(ctx context.Context, named *options.ClientOptions, host string) (greeting, error) {
	o := options.Client().SetHosts([]string{host}).SetDirect(true).SetServerSelectionTimeout(selectionTime).SetConnectTimeout(dialTime)
	o.TLSConfig = named.TLSConfig
	client, err := mongo.Connect(o)
	if err != nil {
		return greeting{}, err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	return greet(ctx, client)
}

// lost says why the replica set that the server is of cannot be used by that URL.
func (h greeting) lost(named *options.ClientOptions) error {
	if err := h.judge(); err != nil {
		return err
	}
	if named.ReplicaSet != nil && *named.ReplicaSet != h.SetName {
		return unfit(fmt.Sprintf("the MongoDB replica set is named %s: write replicaSet=%s in the URL", h.SetName, h.SetName))
	}
	if !slices.ContainsFunc(h.Hosts, func(host string) bool { return slices.Contains(named.Hosts, host) }) {
		return unfit(fmt.Sprintf("the MongoDB replica set knows its members as %s, of which none that takes writes can be reached from here: make these names known here, or give the members others with rs.reconfig()", strings.Join(h.Hosts, ", ")))
	}
	return unfit("the MongoDB replica set has no primary: look at rs.status() in mongosh")
}
