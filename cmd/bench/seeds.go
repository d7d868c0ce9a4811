package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

const (
	seededLarge = 20
	seededMany  = 200_000
)

// seedLarge makes documents of nearly 1 MiB, and small ones.
func seedLarge(base string) error {
	text := strings.Repeat("x", mebi-256)
	for i := range seededLarge {
		err := post(base, attacker, "large", fmt.Sprint("large", i), fmt.Sprintf(`{"text":%q}`, text))
		if err != nil {
			return err
		}
		if err := post(base, attacker, "small", fmt.Sprint("small", i), `{"n":1}`); err != nil {
			return err
		}
	}
	return nil
}

// seedList makes a collection of 40 MiB.
func seedList(base string) error {
	text := strings.Repeat("x", mebi-256)
	for i := range 40 {
		err := post(base, attacker, "list", fmt.Sprint("l", i), fmt.Sprintf(`{"text":%q}`, text))
		if err != nil {
			return err
		}
	}
	return nil
}

func seedMany(base string) error {
	return seedCollection(base, attacker, "many", 0, seededMany)
}

func post(base string, s protocol.Scope, collection, id, data string) error {
	body := fmt.Sprintf(`{"collection":%q,"docId":%q,"data":%s}`, collection, id, data)
	reply, err := client.Do(context.Background(), http.MethodPost, client.DataURL(base, s, ""), body)
	if err == nil && reply.Status != http.StatusCreated {
		err = fmt.Errorf("seed: %d %s", reply.Status, reply.Body)
	}
	return err
}

// seedCollection inserts documents with the numbers from first to before end, whose field hot is
// the same in all.
func seedCollection(base string, s protocol.Scope, collection string, first, end int) error {
	t, err := talkSocket(base, s)
	if err != nil {
		return err
	}
	defer func() { _ = t.conn.Close() }()
	for first < end {
		var all []string
		for ; first < end && len(all) < 1000; first++ {
			all = append(all, fmt.Sprintf(
				`{"operation":"insert","collection":%q,"data":{"hot":1,"n":%d,"text":"lorem ipsum"}}`,
				collection, first,
			))
		}
		answer, err := t.ask(batch(all))
		if err == nil && bytes.Contains(answer, []byte(`"error":{`)) {
			err = fmt.Errorf("seed: %.200s", answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func batch(operations []string) string {
	return `{"type":"second:data:batch","requestId":"b","operations":[` + strings.Join(operations, ",") + `]}`
}
