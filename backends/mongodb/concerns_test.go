package mongodb_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// TestURLThatContradicts: a URL whose parameters would weaken what the gateway promises is refused
// by serve and by check.
func TestURLThatContradicts(t *testing.T) {
	t.Parallel()
	url := mongodbtest.Database(t)
	for parameter, says := range map[string]string{
		"w=1": "sets w=1", "w=0": "sets w=0", "w=2": "sets w=2", "w=tagged": "sets w=tagged",
		"journal=false": "sets journal=false", "w=majority&journal=false": "sets journal=false",
		"readConcernLevel=local":                                  "sets readConcernLevel=local",
		"readConcernLevel=linearizable":                           "sets readConcernLevel=linearizable",
		"readPreference=secondary":                                "sets readPreference=secondary",
		"readPreference=primaryPreferred":                         "sets readPreference=primaryPreferred",
		"readPreference=nearest&readPreferenceTags=dc:ny":         "sets readPreference=nearest",
		"readPreference=secondaryPreferred&maxStalenessSeconds=9": "sets readPreference=secondaryPreferred",
		"retryWrites=false":                                       "sets retryWrites=false",
		"retryReads=false":                                        "sets retryReads=false",
		"timeoutMS=50":                                            "sets timeoutMS",
	} {
		_, err := mongodb.Open(t.Context(), mongodb.Options{URL: url + "&" + parameter})
		require.ErrorContains(t, err, says, parameter)
		finding := mongodb.Check(t.Context(), url+"&"+parameter)[0]
		require.Equal(t, "fail", finding.Level)
		require.Contains(t, finding.What, says)
		require.Contains(t, finding.Fix, "leave it out")
	}
	open(t, url+"&w=majority&journal=true&retryWrites=true&readPreference=primary&readConcernLevel=majority"+
		"&compressors=zlib&maxPoolSize=50")
}

// TestWritesWaitForTheJournal: the server's own record of slow operations says with which concern
// each write was made.
func TestWritesWaitForTheJournal(t *testing.T) {
	t.Parallel()
	url := mongodbtest.Database(t)
	database := mongodbtest.Client(t, url).Database(mongodbtest.NameOf(url))
	b := open(t, url)
	require.NoError(t, database.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 2}}).Err())
	for _, writes := range [][]backends.Write{
		{{Op: backends.Insert, Collection: "notes", ID: "alone", Data: []byte(`{}`)}},
		{{Op: backends.Insert, Collection: "notes", ID: "a", Data: []byte(`{}`)},
			{Op: backends.Insert, Collection: "notes", ID: "b", Data: []byte(`{}`)}},
	} {
		_, err := backends.WriteOne(t.Context(), b, backends.Tx{
			Scope: note("").Scope, At: time.Now(), Principal: "p", Writes: writes,
		})
		require.NoError(t, err)
	}
	require.NoError(t, b.Put(t.Context(), backends.Entry{Kind: "k", Key: "k"}, false))
	require.NoError(t, database.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 0}}).Err())
	found, err := database.Collection("system.profile").Find(t.Context(), bson.D{
		{Key: "command.writeConcern", Value: bson.D{{Key: "$exists", Value: true}}},
	})
	require.NoError(t, err)
	var all []struct {
		Command struct {
			WriteConcern struct {
				W string
				J bool
			} `bson:"writeConcern"`
		}
	}
	require.NoError(t, found.All(t.Context(), &all))
	require.NotEmpty(t, all)
	for _, one := range all {
		require.Equal(t, "majority", one.Command.WriteConcern.W)
		require.True(t, one.Command.WriteConcern.J)
	}
}
