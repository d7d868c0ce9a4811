package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
)

// attack is one kind of hostile client.
type attack struct {
	name string
	seed func(base string) error // what the database must hold before; nil for nothing
	run  func(r *raid)           // until r is over
}

// attacks are the attackers of docs/performance.md, each with the most that the limits let it do.
var attacks = []attack{
	{"half messages, ponged", nil, halfMessages},
	{"half bodies", nil, halfBodies},
	{"documents not read", seedLarge, unreadDocuments},
	{"lists not read", seedList, unreadLists},
	{"many long subscriptions", nil, longSubscriptions},
	{"batches, large answers", seedLarge, largeBatches},
	{"hostile JSON", nil, hostileJSON},
	{"PATCH of many fields", seedLarge, manyFields},
	{"filters of many members", nil, manyMembers},
	{"upserts among 200,000", seedMany, upsertsAmongMany},
	{"followers not reading", seedLarge, deafFollowers},
}

const mebi = 1 << 20

// halfMessages sends 2 MiB of a message and then pongs, on 300 sockets.
func halfMessages(r *raid) {
	head := []byte{0x01, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0}
	half := append(head, bytes.Repeat([]byte(" "), 2*mebi)...)
	pong := []byte{0x8a, 0x80, 0, 0, 0, 0}
	r.many(300, func(int) error {
		t, err := r.socket()
		if err != nil {
			return err
		}
		_, err = t.conn.Write(half)
		for err == nil && r.ctx.Err() == nil {
			r.wait(2 * time.Second)
			_, err = t.conn.Write(pong)
		}
		return err
	})
}

// halfBodies announces 4 MiB and sends all but the end, 500 times.
func halfBodies(r *raid) {
	body := strings.Repeat(" ", 4*mebi-64<<10)
	r.many(500, func(int) error {
		head := fmt.Sprintf("Content-Length: %d\r\n", 4*mebi)
		conn, err := r.begin(http.MethodPost, dataURL(r.base, ""), head, body)
		if err != nil {
			return err
		}
		return r.held(conn)
	})
}

// unreadDocuments asks for 1 MiB on each of 500 connections.
func unreadDocuments(r *raid) {
	r.many(500, func(int) error {
		conn, err := r.begin(http.MethodGet, dataURL(r.base, "large0", "collection", "large"), "", "")
		if err != nil {
			return err
		}
		return r.held(conn)
	})
}

// unreadLists asks for 40 MiB on each of 500 connections.
func unreadLists(r *raid) {
	r.many(500, func(int) error {
		conn, err := r.begin(http.MethodGet, dataURL(r.base, "", "collection", "list"), "", "")
		if err != nil {
			return err
		}
		return r.held(conn)
	})
}

// longSubscriptions subscribes to names as long as they may be, as often as it may, on 50 sockets.
func longSubscriptions(r *raid) {
	r.many(50, func(int) error {
		t, err := r.socket()
		for i := 0; err == nil && i < 10_000; i++ {
			name := fmt.Sprint(i, strings.Repeat("n", 4<<10-8))
			text := fmt.Sprintf(`{"type":"second:data:subscribe","requestId":"s","collection":%q}`, name)
			_, err = t.ask(text)
		}
		if err != nil {
			return err
		}
		return r.held(t.conn)
	})
}

// largeBatches changes one document of 1 MiB again and again, by batches whose answer is 1 GiB
// (they are refused) and 12 MiB.
func largeBatches(r *raid) {
	r.many(20, func(i int) error {
		t, err := r.socket()
		for n := 0; err == nil; n++ {
			_, err = t.ask(sameBatch([]int{1000, 12}[n%2], fmt.Sprint("large", i%seededLarge)))
		}
		return err
	})
}

// sameBatch has n operations on one document.
func sameBatch(n int, id string) string {
	one := make([]string, n)
	for i := range one {
		one[i] = fmt.Sprintf(`{"operation":"update","collection":"large","docId":%q,"data":{"n":%d}}`, id, i)
	}
	return batch(one)
}

// hostileJSON sends frames of 4 MiB that are costly to parse, on 30 sockets.
func hostileJSON(r *raid) {
	var frames []string
	for _, part := range []string{`[],`, `{"a":[0]},`, `1e9,`, `"\u00e9",`, `{"":{}},`} {
		frames = append(frames, insertOf(`{"a":[`+strings.Repeat(part, (4*mebi-1024)/len(part))+`0]}`))
	}
	frames = append(frames, insertOf(`{"a":`+strings.Repeat("[", 4*mebi-1024)), insertOf(fields(250_000)))
	r.many(30, func(i int) error {
		t, err := r.socket()
		for ; err == nil; i++ {
			_, err = t.ask(frames[i%len(frames)])
		}
		return err
	})
}

func insertOf(data string) string {
	return fmt.Sprintf(`{"type":"second:data:insert","requestId":"i","collection":"c","data":%s}`, data)
}

// fields is an object of n of them.
func fields(n int) string {
	text := []byte("{")
	for i := range n {
		text = fmt.Appendf(text, `"f%d":%d,`, i, i)
	}
	return string(append(text[:len(text)-1], '}'))
}

// manyFields patches 80,000 fields, and as many paths into one object.
func manyFields(r *raid) {
	plain := fields(80_000)
	bodies := []string{plain, strings.ReplaceAll(plain, `"f`, `"deep.f`)}
	r.many(8, func(i int) error {
		body := fmt.Sprintf(`{"collection":"small","data":%s}`, bodies[i%2])
		_, err := client.Do(r.ctx, http.MethodPatch, dataURL(r.base, fmt.Sprint("small", i)), body)
		return err
	})
}

// manyMembers upserts by filters of 64 members, each of new names, and of 80,000, which are
// refused.
func manyMembers(r *raid) {
	refused := upsertOf(fields(80_000))
	r.many(16, func(i int) error {
		t, err := r.socket()
		for n := 0; err == nil; n++ {
			text := refused
			if n%4 > 0 {
				text = upsertOf(strings.ReplaceAll(fields(64), `"f`, fmt.Sprintf(`"g%d_%d_`, i, n)))
			}
			_, err = t.ask(text)
		}
		return err
	})
}

func upsertOf(filter string) string {
	return fmt.Sprintf(
		`{"type":"second:data:upsert","requestId":"u","collection":"c","filter":%s,"data":{"hit":true}}`, filter,
	)
}

// upsertsAmongMany upserts by fields that nobody has, that all have, and that few have.
func upsertsAmongMany(r *raid) {
	r.many(8, func(i int) error {
		t, err := r.socket()
		for n := 0; err == nil; n++ {
			filter := []string{
				fmt.Sprintf(`{"absent%d_%d":1}`, i, n), fmt.Sprintf(`{"hot":1,"n":-%d%d}`, i+1, n),
				fmt.Sprintf(`{"n":%d}`, n),
			}[n%3]
			_, err = t.ask(strings.Replace(upsertOf(filter), `"c"`, `"many"`, 1))
		}
		return err
	})
}

// deafFollowers follows on 200 event streams and 200 sockets and reads nothing, while documents of
// 1 MiB are written.
func deafFollowers(r *raid) {
	r.many(401, func(i int) error {
		switch {
		case i == 0:
			t, err := r.socket()
			for n := 0; err == nil; n++ {
				text := sameBatch(1, fmt.Sprint("large", n%seededLarge))
				_, err = t.ask(text)
			}
			return err
		case i%2 == 0:
			address := client.StreamURL(r.base, attacker)
			conn, err := r.begin(http.MethodGet, address, "Accept: text/event-stream\r\n", "")
			if err != nil {
				return err
			}
			return r.held(conn)
		}
		conn, err := small(upgrade("http" + strings.TrimPrefix(client.URL(r.base, attacker), "ws")))
		if err != nil {
			return err
		}
		return r.held(conn)
	})
}
