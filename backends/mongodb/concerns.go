package mongodb

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

var errURL = errors.New("the MongoDB URL cannot be used: look at its hosts and parameters")

// clientOptions is how the gateway connects. A URL must not change what is promised: a write is
// acknowledged once a majority has it in its journals, and a read sees it from then on.
func clientOptions(address string) (*options.ClientOptions, error) {
	o := options.Client().SetAppName(applicationName)
	o.SetServerSelectionTimeout(selectionTime).SetConnectTimeout(dialTime)
	o.ApplyURI(address) // it may override the above
	if o.Validate() != nil {
		return nil, errURL
	}
	if err := contradiction(o); err != nil {
		return nil, err
	}
	return o.SetReadConcern(readconcern.Majority()).SetWriteConcern(journaled()).
		SetReadPreference(readpref.Primary()).SetRetryWrites(true).SetRetryReads(true), nil
}

// journaled is the write concern of everything. A replica set may be configured so that majority
// alone does not wait for the journal.
func journaled() *writeconcern.WriteConcern {
	yes := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &yes}
}

// contradiction refuses a URL whose parameters the gateway would have to ignore.
func contradiction(o *options.ClientOptions) error {
	no := func(flag *bool) bool { return flag != nil && !*flag }
	switch w := o.WriteConcern; {
	case w != nil && w.W != nil && w.W != "majority":
		return unusable(fmt.Sprintf("the MongoDB URL sets w=%v: leave it out, the gateway needs majority", w.W))
	case w != nil && no(w.Journal):
		return unusable("the MongoDB URL sets journal=false: leave it out, the gateway needs true")
	case o.ReadConcern != nil && o.ReadConcern.Level != "majority":
		return unusable(fmt.Sprintf("the MongoDB URL sets readConcernLevel=%s: leave it out, "+
			"the gateway needs majority", o.ReadConcern.Level))
	case o.ReadPreference != nil && o.ReadPreference.Mode() != readpref.PrimaryMode:
		return unusable(fmt.Sprintf("the MongoDB URL sets readPreference=%s: leave it out, "+
			"the gateway needs primary", o.ReadPreference.Mode()))
	case no(o.RetryWrites):
		return unusable("the MongoDB URL sets retryWrites=false: leave it out, the gateway needs true")
	case no(o.RetryReads):
		return unusable("the MongoDB URL sets retryReads=false: leave it out, the gateway needs true")
	case o.Timeout != nil && *o.Timeout > 0:
		return unusable("the MongoDB URL sets timeoutMS: leave it out, the gateway bounds its calls itself")
	}
	return nil
}
