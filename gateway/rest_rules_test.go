package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/gateway"
)

// restRules are what one request cannot show.
var restRules = []rule{
	{
		id: "rest/etag", says: "a document's ETag is its revision, and _rev is told on request only",
		check: func(r *trial) {
			c := rest{r, r.url}
			for _, a := range []reply{
				c.do("POST", dataPath+"?rev=1", `{"collection":"c","docId":"d","data":{}}`),
				c.do("PATCH", dataPath+"/d?rev=1", `{"collection":"c","data":{"x":1}}`),
				c.do("GET", dataPath+"/d?rev=1&collection=c", ""),
			} {
				r.must(strings.Contains(a.body, `,"_rev":`+a.header.Get("ETag")+`}}`), "ETag is %s of %s", a.header.Get("ETag"), a.body)
			}
			r.must(strings.Contains(c.do("GET", dataPath+"?collection=c&rev=1", "").body, `"_rev"`), "a list with rev=1 has none")
			r.must(!strings.Contains(c.do("GET", dataPath+"?collection=c", "").body, `"_rev"`), "a list has _rev")
		},
	},
	{
		id: "rest/idempotency", says: "a retry has one effect and gets the status and shape of the first time",
		check: func(r *trial) {
			c := rest{r, r.url}
			key := "Idempotency-Key: k"
			insert := func() reply { return c.do("POST", dataPath, `{"collection":"c","data":{"n":1}}`, key+"1") }
			first, second := insert(), insert()
			r.must(first.status == 201 && second.status == 201 && first.body == second.body, "%v is not %v", second, first)
			r.must(len(c.list("c")) == 1, "it was inserted twice")
			id := idOf([]byte(strings.TrimSuffix(strings.TrimPrefix(first.body, `{"doc":`), "}")))
			r.must(c.do("POST", dataPath, `{"collection":"c","data":{"n":2}}`, key+"1").status == 422, "another request passed under the same key")
			patch := func() reply { return c.do("PATCH", dataPath+"/"+id, `{"collection":"c","data":{"n":3}}`, key+"2") }
			once, again := patch(), patch()
			r.must(once.body == again.body, "the update had two effects")
			remove := func() reply { return c.do("DELETE", dataPath+"/"+id+"?collection=c", "", key+"3") }
			r.must(remove().status == 200, "the delete was refused")
			r.must(remove().body == `{"ok":true}`, "the second delete differs")
			gone := insert()
			r.must(gone.status == 201 && gone.body == `{"doc":null}`, "the replay of a deleted document's insert is %v", gone)
			p := r.dial() // the same memory on the other door
			m := p.do(insertRequest("c", `{"n":1}`, "k1"))
			r.must(m.Replayed, "the socket does not know the key")
		},
	},
	{
		id: "rest/empty-patch", says: "an empty update is a write",
		check: func(r *trial) {
			c := rest{r, r.url}
			first := c.do("POST", dataPath, `{"collection":"c","docId":"d","data":{}}`)
			second := c.do("PATCH", dataPath+"/d", `{"collection":"c","data":{}}`)
			r.must(first.body != second.body, "_updatedAt stayed")
		},
	},
	{
		id: "rest/collections", says: "without a collection, all are told by name with their documents",
		check: func(r *trial) {
			c := rest{r, r.url}
			r.must(c.do("GET", dataPath, "").body == `{"collections":[]}`, "an empty scope has collections")
			for _, name := range []string{"b", "a", "B"} {
				c.do("POST", dataPath, `{"collection":"`+name+`","docId":"d","data":{}}`)
			}
			c.do("POST", dataPath+"?version=draft", `{"collection":"draft","data":{}}`)
			const docs = `"docs":[{"_id":"d","_createdAt":"T","_updatedAt":"T"}],"count":1}`
			want := `{"collections":[{"name":"B",` + docs + `,{"name":"a",` + docs + `,{"name":"b",` + docs + `]}`
			for _, query := range []string{"", "?collection="} {
				r.must(masked(c.do("GET", dataPath+query, "").body) == want, "it is %s", c.do("GET", dataPath+query, "").body)
			}
		},
	},
	{
		id: "rest/pages", says: "limit, after and next page a list, newest first, and the last page has no next",
		check: func(r *trial) {
			c := rest{r, r.url}
			for i := range 7 {
				c.do("POST", dataPath, fmt.Sprintf(`{"collection":"c","docId":"d%d","data":{}}`, i))
			}
			var ids []string
			after, pages := "", 0
			for ; pages == 0 || after != ""; pages++ {
				var page struct {
					Docs []json.RawMessage
					Next string
				}
				a := c.do("GET", dataPath+"?collection=c&limit=3&after="+after, "")
				r.must(json.Unmarshal([]byte(a.body), &page) == nil && a.header.Get("Second-Cursor") != "", "a page is %v", a)
				for _, d := range page.Docs {
					ids = append(ids, idOf(d))
				}
				after = page.Next
			}
			var all struct{ Docs []json.RawMessage }
			r.must(json.Unmarshal([]byte(c.do("GET", dataPath+"?collection=c", "").body), &all) == nil, "the list is no JSON")
			r.must(pages == 3 && len(ids) == 7 && len(all.Docs) == 7, "%d pages of %v", pages, ids)
			for i, d := range all.Docs {
				r.must(idOf(d) == ids[i], "the pages' order is %v", ids)
			}
		},
	},
	{
		id: "rest/long-list", says: "a list of many pages is whole, and each document is in it once",
		check: func(r *trial) {
			c := rest{r, r.url}
			p := r.dial()
			for i := range 30 { // 3 MB: more than is held back, and than a page
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 100_000)+`"}`)
			}
			a := c.do("GET", dataPath+"?collection=c", "")
			r.must(a.status == 200 && len(docsOf(r, a.body)) == 30, "it has %d documents", len(docsOf(r, a.body)))
			r.must(len(docsOf(r, c.do("GET", dataPath+"?collection=c&limit=29", "").body)) == 29, "a long page is cut")
			var all struct{ Collections []struct{ Count int } }
			r.must(json.Unmarshal([]byte(c.do("GET", dataPath, "").body), &all) == nil && all.Collections[0].Count == 30, "the collections are not whole")
		},
	},
	{
		id: "rest/list-too-large", says: "a list over the limit is refused with a status, also when it is found out late",
		change: func(c *gateway.Config) { c.ListBytes = 2 << 20 },
		check: func(r *trial) {
			c := rest{r, r.url}
			p := r.dial()
			for i := range 30 {
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 100_000)+`"}`)
			}
			a := c.do("GET", dataPath+"?collection=c", "")
			r.must(a.status == 413 && strings.Contains(a.body, `"list_too_large"`), "it is %d: %.200s", a.status, a.body)
			_, err := c.try("GET", dataPath, "")
			r.must(err != nil, "the collections end well although they are cut")
			r.must(c.do("GET", dataPath+"?collection=c&limit=10", "").status == 200, "a page is refused")
		},
	},
	{
		id: "rest/origins", says: "an allowed page may ask and read; every answer varies by origin",
		check: func(r *trial) {
			c := rest{r, r.url}
			for _, path := range []string{dataPath, dataPath + "/d", dataPath + "/stream"} {
				a := c.do("OPTIONS", path, "", "Origin: "+r.url, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: if-match")
				r.must(a.status == 204 && a.header.Get("Access-Control-Allow-Origin") == r.url, "the preflight is %v", a)
				for _, name := range []string{"Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID"} {
					r.must(strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name), "%s is not allowed", name)
				}
				r.must(c.do("OPTIONS", path, "", "Origin: http://evil.example", "Access-Control-Request-Method: GET").status == 403, "a strange page may ask")
			}
			a := c.do("GET", dataPath+"?collection=c", "", "Origin: "+r.url)
			r.must(a.header.Get("Access-Control-Allow-Origin") == r.url && a.header.Get("Access-Control-Allow-Credentials") == "true", "the page may not read: %v", a.header)
			r.must(strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Second-Cursor"), "the cursor is hidden")
			r.must(a.header.Get("Vary") == "Origin", "it does not vary")
			a = c.do("GET", dataPath+"?collection=c", "")
			r.must(a.header.Get("Access-Control-Allow-Origin") == "" && a.header.Get("Vary") == "Origin", "without a page: %v", a.header)
		},
	},
	{
		id: "rest/passing-fault", says: "a passing fault is waited out, and a write then has one effect",
		check: func(r *trial) {
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
		id: "rest/head", says: "HEAD is GET without the body",
		check: func(r *trial) {
			c := rest{r, r.url}
			get, head := c.do("GET", dataPath+"?collection=c", ""), c.do("HEAD", dataPath+"?collection=c", "")
			r.must(head.status == 200 && head.body == "" && head.header.Get("Content-Length") == get.header.Get("Content-Length"), "HEAD is %v", head)
		},
	},
	{
		id: "rest/outside", says: "what others have stored is served as it is, also above the limits, and can be patched",
		change: small,
		check: func(r *trial) {
			c := rest{r, r.url}
			ref := refTo("big one")
			ref.Collection = strings.Repeat("c", 200)
			r.harness.Outside(r, r.backend.Backend).Do(r, true, stepInsert(ref, `{"_id":"spoof","_rev":1,"pad":"`+strings.Repeat("x", 5000)+`"}`))
			c.do("POST", dataPath, `{"collection":"c","data":{}}`) // reads see what was answered, and all before it
			a := c.do("GET", dataPath+"/big%20one?collection="+ref.Collection, "")
			r.must(a.status == 200 && strings.HasPrefix(a.body, `{"doc":{"_id":"big one","pad":`), "it is %.100s", a.body)
			a = c.do("PATCH", dataPath+"/big%20one", `{"collection":"`+ref.Collection+`","data":{"pad":"y"}}`)
			r.must(a.status == 200, "it cannot be patched: %v", a)
		},
	},
}
