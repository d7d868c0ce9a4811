package gateway_test

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/gateway"
)

// restRules are what a client of REST cannot bring about by itself.
var restRules = []gatewayRule{
	{
		ID:   "rest/list-too-large",
		Says: "a list over the limit is refused with a status, also when it is found out late",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.ListBytes = 2 << 20 })
			c := rest{r, r.url}
			p := r.dial()
			for i := range 30 {
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 100_000)+`"}`)
			}
			a := c.do("GET", dataPath+"?collection=c", "")
			r.must(
				a.status == 413 && strings.Contains(a.body, `"list_too_large"`), "it is %d: %.200s", a.status, a.body,
			)
			_, err := c.try("GET", dataPath, "")
			r.must(err != nil, "the collections end well although they are cut")
			r.must(c.do("GET", dataPath+"?collection=c&limit=10", "").status == 200, "a page is refused")
		},
	},
	{
		ID:   "rest/origins",
		Says: "an allowed page may ask and read; every answer varies by origin",
		Check: func(r *trial) {
			r.serve()
			c := rest{r, r.url}
			for _, path := range []string{dataPath, dataPath + "/d", dataPath + "/stream"} {
				a := c.do(
					"OPTIONS", path, "", "Origin: "+r.url, "Access-Control-Request-Method: GET",
					"Access-Control-Request-Headers: if-match",
				)
				r.must(a.status == 204 && a.header.Get("Access-Control-Allow-Origin") == r.url, "the preflight is %v", a)
				for _, name := range []string{"Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID"} {
					r.must(strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name), "%s is not allowed", name)
				}
				r.must(
					c.do(
						"OPTIONS", path, "", "Origin: http://evil.example", "Access-Control-Request-Method: GET",
					).status == 403,
					"a strange page may ask",
				)
			}
			a := c.do("GET", dataPath+"?collection=c", "", "Origin: "+r.url)
			r.must(
				a.header.Get("Access-Control-Allow-Origin") == r.url &&
					a.header.Get("Access-Control-Allow-Credentials") == "true",
				"the page may not read: %v",
				a.header,
			)
			r.must(
				strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Second-Cursor"), "the cursor is hidden",
			)
			r.must(a.header.Get("Vary") == "Origin", "it does not vary")
			a = c.do("GET", dataPath+"?collection=c", "")
			r.must(
				a.header.Get("Access-Control-Allow-Origin") == "" && a.header.Get("Vary") == "Origin",
				"without a page: %v", a.header,
			)
		},
	},
	{
		ID:   "rest/passing-fault",
		Says: "a passing fault is waited out, and a write then has one effect",
		Check: func(r *trial) {
			r.serve()
			c := rest{r, r.url}
			r.backend.away(3)
			a := c.do("POST", dataPath, `{"collection":"c","data":{}}`)
			r.must(a.status == 201, "the insert is %v", a)
			r.backend.away(3)
			r.must(len(c.list("c")) == 1, "the list is wrong")
			r.backend.away(3)
			r.must(c.do("GET", dataPath, "").status == 200, "the collections are refused")
		},
	},
	{
		ID:   "rest/outside",
		Says: "what others have stored is served as it is, also above the limits, and can be patched",
		Check: func(r *trial) {
			r.serve(small)
			c := rest{r, r.url}
			ref := refTo("big one")
			ref.Collection = strings.Repeat("c", 200)
			r.harness.Outside(r, r.backend.Backend).
				Do(r, true, stepInsert(ref, `{"_id":"spoof","_rev":1,"pad":"`+strings.Repeat("x", 5000)+`"}`))
			c.do("POST", dataPath, `{"collection":"c","data":{}}`) // reads see what was answered, and all before it
			a := c.do("GET", dataPath+"/big%20one?collection="+ref.Collection, "")
			r.must(
				a.status == 200 && strings.HasPrefix(a.body, `{"doc":{"_id":"big one","pad":`), "it is %.100s", a.body,
			)
			a = c.do("PATCH", dataPath+"/big%20one", `{"collection":"`+ref.Collection+`","data":{"pad":"y"}}`)
			r.must(a.status == 200, "it cannot be patched: %v", a)
		},
	},
}
