package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// healthcheck is the command of that name, for containers that have no curl.
type healthcheck struct {
	Admin string `help:"Admin address of the gateway to ask, or its URL." default:"127.0.0.1:8081"`
}

// Run fails unless the gateway says that it is ready.
func (c *healthcheck) Run(ctx context.Context, parsed *kong.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime+time.Second)
	defer cancel()
	address := strings.TrimSuffix(c.Admin, "/")
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	if !plainURL.MatchString(address) {
		return badSetting("the admin address cannot be read: write HOST:PORT or http://HOST:PORT")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the gateway cannot be asked: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s %s", response.Status, strings.TrimSpace(string(body)))
	}
	fmt.Fprintln(parsed.Stdout, strings.TrimSpace(string(body)))
	return nil
}
