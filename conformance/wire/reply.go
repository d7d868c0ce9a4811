package wire

import (
	"regexp"

	"github.com/secondgate/secondgate/conformance/client"
)

type reply = client.Reply

var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)

// timeless is a body without what differs from run to run.
func timeless(body string) string { return times.ReplaceAllString(body, `"T"`) }
