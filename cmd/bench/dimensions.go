package main

import (
	"errors"
	"fmt"
	"strings"
)

// dimensions are those of each request.
var dimensions = []dimension{
	{"insert: fields of the document", 5000, nil, func(w *world, n int) error {
		return w.ask(insertOf(fields(n)))
	}},
	{"PATCH: fields", 5000, nil, func(w *world, n int) error { return w.patch(fields(n)) }},
	{"PATCH: paths into one object", 5000, nil, func(w *world, n int) error {
		return w.patch(paths(n, "deep.f"))
	}},
	{"PATCH: paths into as many objects", 5000, nil, func(w *world, n int) error {
		return w.patch(strings.ReplaceAll(fields(n), `":`, `.x":`))
	}},
	{"PATCH: paths into elements of an array", 2500, growArray, func(w *world, n int) error {
		return w.patch(strings.ReplaceAll(fields(n), `"f`, `"array.`))
	}},
	{"PATCH of one field: fields of the document", 5000, growFields, func(w *world, _ int) error {
		return w.patch(`{"one":1}`)
	}},
	{"upsert by filter: members", 8, nil, func(w *world, n int) error {
		return w.ask(upsertOf(fields(n)))
	}},
	{"batch of inserts: operations", 125, nil, func(w *world, n int) error {
		return w.repeat(n, fmt.Sprintf(`{"operation":"insert","collection":"c","data":%s}`, document(1)))
	}},
	{"batch of updates of one document: operations", 125, growFields, func(w *world, n int) error {
		return w.repeat(n, `{"operation":"update","collection":"one","docId":"d","data":{"n":1}}`)
	}},
	{"batch of upserts by filter: operations", 125, nil, func(w *world, n int) error {
		return w.repeat(n, fmt.Sprintf(`{"operation":"upsert","collection":"c","filter":{"n":%d},"data":{}}`, n))
	}},
	{"list page of 100: documents", 5000, (*world).many, func(w *world, _ int) error {
		return w.get("collection", "many", "limit", "100")
	}},
	{"whole list: documents", 5000, (*world).many, func(w *world, _ int) error {
		return w.get("collection", "many")
	}},
	{"whole scope with counts: documents", 5000, (*world).many, func(w *world, _ int) error {
		return w.get()
	}},
	{"upsert by filter that finds one: documents", 5000, (*world).many, func(w *world, n int) error {
		return w.upsertMany(fmt.Sprintf(`{"n":%d}`, n/2))
	}},
	{"upsert by filter, never seen: documents", 5000, (*world).many, func(w *world, _ int) error {
		return w.upsertMany(fmt.Sprintf(`{"absent%d":1}`, serial.Add(1)))
	}},
	{"upsert by filter, one value in all: documents", 5000, (*world).many, func(w *world, _ int) error {
		return w.upsertMany(fmt.Sprintf(`{"hot":1,"n":-%d}`, serial.Add(1)))
	}},
	{"insert: documents of the collection", 5000, (*world).many, func(w *world, _ int) error {
		return w.ask(strings.Replace(insertOf(document(1)), `"c"`, `"many"`, 1))
	}},
	{"whole scope: collections", 250, (*world).collections, func(w *world, _ int) error { return w.get() }},
	{"insert: collections of the scope", 250, (*world).collections, insertOne},
	{"list: collections of the scope", 250, (*world).collections, func(w *world, _ int) error {
		return w.get("collection", "c1")
	}},
	{"insert: scopes with documents", 100, (*world).scopes, insertOne},
	{"list: scopes with documents", 100, (*world).scopes, func(w *world, _ int) error {
		return w.get("collection", "c")
	}},
	{"subscribe and unsubscribe all: names", 500, nil, (*world).subscriptions},
	{"insert: connections that follow the scope", 100, (*world).followers, insertOne},
}

func insertOne(w *world, _ int) error { return w.ask(insertOf(document(1))) }

// paths is an object of n of them.
func paths(n int, prefix string) string { return strings.ReplaceAll(fields(n), `"f`, `"`+prefix) }

// repeat asks for a batch of n operations.
func (w *world) repeat(n int, operation string) error {
	all := make([]string, n)
	for i := range all {
		all[i] = operation
	}
	return w.ask(batch(all))
}

func (w *world) upsertMany(filter string) error {
	return w.ask(strings.Replace(upsertOf(filter), `"c"`, `"many"`, 1))
}

// growArray has an array of so many elements.
func growArray(w *world, _, to int) error {
	return w.patch(`{"array":[` + strings.Repeat("0,", to-1) + `0]}`)
}

// growFields has a document of so many fields, and one of one.
func growFields(w *world, from, to int) error {
	if from == 0 {
		if err := post(w.base, w.scope, "one", "d", `{"n":0}`); err != nil {
			return err
		}
	}
	return w.patch(fields(to))
}

func (w *world) collections(from, to int) error {
	for i := from; i < to; i++ {
		if err := post(w.base, w.scope, fmt.Sprint("c", i), "d", `{"n":0}`); err != nil {
			return err
		}
	}
	return nil
}

// scopes have ten documents each.
func (w *world) scopes(from, to int) error {
	for range to - from {
		other, err := newWorld(w.base)
		if err != nil {
			return err
		}
		err = seedCollection(w.base, other.scope, "c", 0, 10)
		other.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// subscriptions subscribes to n collections and ends that.
func (w *world) subscriptions(n int) error {
	for _, what := range []string{"subscribe", "unsubscribe"} {
		for i := range n {
			text := fmt.Sprintf(`{"type":"second:data:%s","requestId":"s","collection":"s%d"}`, what, i)
			if err := w.ask(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// followers read what comes.
func (w *world) followers(from, to int) error {
	var all error
	for range to - from {
		conn, err := upgrade("http" + strings.TrimPrefix(socketOf(w.base, w.scope), "ws"))
		all = errors.Join(all, err)
		if err == nil {
			w.conns = append(w.conns, conn)
			go discard(conn)
		}
	}
	return all
}
