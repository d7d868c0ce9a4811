package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// mongoCommands are the db.adminCommand(…) of docs/operations.md.
func mongoCommands(t *testing.T) (commands []bson.D) {
	t.Helper()
	for _, part := range strings.Split(operations(t), "db.adminCommand(")[1:] {
		text, _, closed := strings.Cut(part, ")\n")
		var command bson.D
		if closed && strings.HasPrefix(text, `{"`) {
			require.NoError(t, bson.UnmarshalExtJSON([]byte(text), false, &command), text)
			commands = append(commands, command)
		}
	}
	return commands
}

// mongoRoles makes the roles of docs/operations.md, by its text, on a server of their own.
func mongoRoles(t *testing.T) (server *mongodbtest.Mongod, admin *mongo.Database) {
	t.Helper()
	m, root := mongodbtest.StartSecured(t)
	commands := mongoCommands(t)
	require.Len(
		t, commands, 4, "docs/operations.md has a role and a user for the gateway, and for another program",
	)
	for _, c := range commands {
		require.NoError(t, root.Database("admin").RunCommand(t.Context(), c).Err(), c)
	}
	return m, root.Database("admin")
}

// TestLeastPrivilegeMongoDB: the documented role serves, its check has nothing to say, and what a
// program writes that has rights on app_data alone is told of.
func TestLeastPrivilegeMongoDB(t *testing.T) {
	t.Parallel()
	m, admin := mongoRoles(t)
	url := m.URLAs("secondgate", "change me", "apps")
	o := operate(t, nil, "--heartbeat", "1s", "--backend", url)
	out, err := checked(t, url)
	require.NoError(t, err, out)
	require.NotRegexp(t, `(?m)^(warn|fail)`, out)
	require.Regexp(t, `(?m)^ok   this user has the rights that it needs$`, out)

	c, err := client.Dial(t.Context(), client.URL(o.url, protocol.Scope{Workspace: "w", App: "a"}))
	require.NoError(t, err)
	defer c.Cut()
	for _, q := range []protocol.Request{
		{Type: protocol.TypeInsert, Collection: "c", DocID: "one", Data: []byte(`{"n":1}`), MutationID: "m"},
		{Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"n":1}`), Data: []byte(`{"m":1}`)},
		{Type: protocol.TypeDelete, Collection: "c", DocID: "one"},
	} {
		answer, err := c.Call(t.Context(), q)
		require.NoError(t, err, "%s", o.log)
		require.Nil(t, answer.Error)
	}
	outsider := mongodbtest.Client(t, m.URLAs("reporting", "change me", "apps")).Database("apps")
	_, err = outsider.Collection("app_data").InsertOne(t.Context(), theirs("theirs", bson.D{}))
	require.NoError(t, err)
	for {
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		if m.Type == protocol.TypeChange && m.DocID == "theirs" {
			break
		}
	}
	_, err = outsider.Collection("app_data_mutations").DeleteOne(t.Context(), bson.D{})
	require.ErrorContains(t, err, "not authorized")

	require.NoError(t, o.command.Process.Kill())
	_ = o.command.Wait()              // killed
	operate(t, nil, "--backend", url) // which ends the session that the first has left behind
	n, err := admin.Client().
		Database("apps").
		Collection("app_data_meta").
		CountDocuments(t.Context(), bson.D{{Key: "session", Value: bson.D{{Key: "$exists", Value: true}}}})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// TestLackingRightsMongoDB: check names each documented right that is missing, readWrite has all
// that serving needs, and serve refuses users who have too little with a sentence that says so.
func TestLackingRightsMongoDB(t *testing.T) {
	t.Parallel()
	m, admin := mongoRoles(t)
	url := m.URLAs("secondgate", "change me", "apps")
	first := operate(t, nil, "--backend", url)
	first.terminate()
	require.NoError(t, first.command.Wait())
	privileges := mongoCommands(t)[0][2].Value.(bson.A)
	for _, p := range privileges {
		resource, actions := p.(bson.D)[0].Value.(bson.D), p.(bson.D)[1].Value.(bson.A)
		for _, action := range actions {
			one := bson.A{bson.D{{Key: "resource", Value: resource}, {Key: "actions", Value: bson.A{action}}}}
			change := func(command string) {
				t.Helper()
				require.NoError(
					t,
					admin.RunCommand(
						t.Context(), bson.D{{Key: command, Value: "secondgate"}, {Key: "privileges", Value: one}},
					).
						Err(),
				)
			}
			change("revokePrivilegesFromRole")
			out, err := checked(t, url)
			switch {
			case resource[0].Value != "apps":
				require.NoError(t, err, out)
				require.Regexp(
					t, `(?m)^warn this user may not see .* -> serve works without`, out, "%v %v", resource, action,
				)
			case action == "collMod":
				require.NoError(t, err, out)
				require.Regexp(
					t,
					`(?m)^warn this user has the rights that it needs, but collMod on app_data, .* -> grant the role dbAdmin on apps`,
					out,
				)
			default:
				require.Error(t, err, out)
				on := resource[1].Value
				if on == "" {
					on = "the database apps"
				}
				require.Regexp(
					t, fmt.Sprintf(`(?m)^fail this user lacks %s on %s -> grant the role readWrite on apps`, action, on),
					out,
				)
			}
			change("grantPrivilegesToRole")
		}
	}
	out, err := checked(t, url)
	require.NoError(t, err, out)
	for user, role := range map[string]string{"reader": "read", "writer": "readWrite"} {
		roles := bson.A{bson.D{{Key: "role", Value: role}, {Key: "db", Value: "apps"}}}
		require.NoError(
			t,
			admin.RunCommand(
				t.Context(),
				bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: "x"}, {Key: "roles", Value: roles}},
			).
				Err(),
		)
	}
	out, err = checked(t, m.URLAs("writer", "x", "apps"))
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^warn this user has the rights that it needs, but collMod`, out)
	second := operate(t, nil, "--backend", m.URLAs("writer", "x", "apps"))
	second.terminate()
	require.NoError(t, second.command.Wait())
	imagesOff(t, admin.Client().Database("apps"))
	out, err = checked(t, m.URLAs("writer", "x", "apps"))
	require.Error(t, err, out)
	require.Regexp(
		t, `(?m)^fail this user lacks collMod on app_data, and images are off -> grant the role dbAdmin on apps`,
		out,
	)
	out, err = secondgate(
		t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", m.URLAs("writer", "x", "apps"),
	)
	require.Error(t, err, out)
	require.Contains(
		t, out, `db.runCommand({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}})`,
	)
	for user, url := range map[string]string{
		"a reader": m.URLAs("reader", "x", "apps"), "a wrong password": m.URLAs(
			"secondgate", "wrong", "apps",
		), "nobody": m.URL("apps"),
	} {
		out, err = secondgate(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", url)
		require.Error(t, err, user)
		require.Contains(
			t, out,
			"the MongoDB user is refused, or lacks a right: look at the URL, and grant what docs/operations.md lists",
			user,
		)
		out, err = checked(t, url)
		require.Error(t, err, user)
		require.Regexp(
			t, `(?m)^fail (the MongoDB user is refused|this user lacks .*insert on app_data,)`, out, user,
		)
	}
}

func imagesOff(t *testing.T, db *mongo.Database) {
	t.Helper()
	off := bson.D{
		{Key: "collMod", Value: "app_data"},
		{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: false}}},
	}
	require.NoError(t, db.RunCommand(t.Context(), off).Err())
}

// checked is the command check, tried again while a busy server does not answer it in its few
// seconds.
func checked(t *testing.T, url string) (out string, err error) {
	t.Helper()
	for range 20 {
		out, err = secondgate(t, nil, "check", "--backend", url)
		if !strings.Contains(out, "context deadline exceeded") {
			break
		}
	}
	return out, err
}
