package wire

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// Reach fails where there is nothing to hold to rules: the target makes no sense, or nobody answers
// at its URL.
func (t Target) Reach(ctx context.Context) error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the URL %q is not the base of a gateway, such as http://127.0.0.1:8080", t.URL)
	}
	app := t.App
	if app == "" {
		app = "conformance"
	}
	scope, err := protocol.ParseScope(t.Workspace, app, "")
	if err != nil {
		var refused *protocol.Error
		errors.As(err, &refused)
		return errors.New(refused.Message)
	}
	ctx, cancel := context.WithTimeout(ctx, t.wait())
	defer cancel()
	if _, err := client.Do(
		ctx, "GET", client.DataURL(t.URL, scope, "", "collection", "conformance"), "",
	); err != nil {
		return fmt.Errorf("nobody answers at %s: %w", t.URL, err)
	}
	return nil
}
