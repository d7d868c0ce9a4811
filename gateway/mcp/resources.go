package mcp

import (
	"context"
	"net/url"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/protocol"
)

// Collections are resources: an agent's client can show them, and where it can listen, it is told of changes.

const collectionScheme = "secondgate://collections/"

func uriOf(collection string) string { return collectionScheme + url.PathEscape(collection) }

func (a *agent) addResources(s *sdk.Server, collections []string) {
	for _, name := range collections {
		s.AddResource(&sdk.Resource{
			URI: uriOf(name), Name: name, MIMEType: "application/json",
			Description: "The newest documents of the collection " + name + ".",
		}, a.readResource)
	}
}

func collectionOf(uri string) string {
	name, err := url.PathUnescape(strings.TrimPrefix(uri, collectionScheme))
	if err != nil {
		return ""
	}
	return name
}

// readResource has the newest documents, as many as an agent can read.
func (a *agent) readResource(
	ctx context.Context,
	r *sdk.ReadResourceRequest,
) (*sdk.ReadResourceResult, error) {
	ctx, cancel := a.exchange.during(ctx, &tool{})
	defer cancel()
	q := &protocol.Request{Type: protocol.TypeQuery, Collection: collectionOf(r.Params.URI), Count: true}
	answer, err := a.query(ctx, q)
	if err != nil {
		return nil, err
	}
	result, err := structured(answer)
	if err != nil {
		return nil, err
	}
	return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{
		URI: r.Params.URI, MIMEType: "application/json", Text: result.Content[0].(*sdk.TextContent).Text,
	}}}, nil
}

// subscribe tells a client that listens when a collection changes, for as long as the request lasts. A
// client of the older era cannot be told anything once its request is over.
func (a *agent) subscribe(ctx context.Context, r *sdk.SubscribeRequest) error {
	collection := collectionOf(r.Params.URI)
	first, refused := a.door.Env.Store.ChangesSince(ctx, a.principal, a.scope, "", collection, 0)
	if refused != nil {
		return refused
	}
	a.exchange.listen()
	ctx, server, uri := a.exchange.waiting, a.server, r.Params.URI
	a.door.listening.Go(func() { a.tell(ctx, server, uri, collection, first.Cursor) })
	return nil
}

func (a *agent) unsubscribe(context.Context, *sdk.UnsubscribeRequest) error { return nil }

// tell notifies until ctx ends, or the agent may not read the collection any more.
func (a *agent) tell(ctx context.Context, s *sdk.Server, uri, collection, cursor string) {
	_ = retry.Do(ctx, isPassing, func(ctx context.Context) error {
		for {
			c, refused := a.door.Env.Store.ChangesSince(
				ctx,
				a.principal,
				a.scope,
				cursor,
				collection,
				tellTime,
			)
			if refused != nil {
				return refused
			}
			cursor = c.Cursor
			if len(c.Changes) > 0 || c.Reset != "" {
				if err := s.ResourceUpdated(ctx, &sdk.ResourceUpdatedNotificationParams{URI: uri}); err != nil {
					return err
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	})
}

// tellTime is how long one look for changes takes at most, and so how late it is noticed that rights ended.
const tellTime = 5 * time.Second

func isPassing(err error) bool {
	e, ok := err.(*protocol.Error)
	return ok && e.Code.Info().Retryable
}
