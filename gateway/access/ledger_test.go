package access

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// fakeLedger keeps entries in memory. Nothing expires by itself.
type fakeLedger struct {
	mu      sync.Mutex
	entries []backends.Entry
	fails   error
	asked   int
	taken   int // calls of Take
}

func (l *fakeLedger) call() error {
	l.asked++
	return l.fails
}

func (l *fakeLedger) Put(_ context.Context, e backends.Entry, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(e.Kind, e.Key)
	l.entries = append(l.entries, e)
	return l.call()
}

func (l *fakeLedger) remove(kind, key string) (found []backends.Entry) {
	is := func(e backends.Entry) bool { return e.Kind == kind && e.Key == key }
	for _, e := range l.entries {
		if is(e) {
			found = append(found, e)
		}
	}
	l.entries = slices.DeleteFunc(l.entries, is)
	return found
}

func (l *fakeLedger) Take(_ context.Context, kind, key string) (backends.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken++
	if err := l.call(); err != nil {
		return backends.Entry{}, err
	}
	for _, e := range l.remove(kind, key) {
		return e, nil
	}
	return backends.Entry{}, protocol.Errorf(protocol.CodeNotFound, "there is no entry %q", key)
}

func (l *fakeLedger) Find(
	_ context.Context, kind, prefix, after string, limit int,
) (found []backends.Entry, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Kind == kind && strings.HasPrefix(e.Key, prefix) && e.Key > after {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b backends.Entry) int { return strings.Compare(a.Key, b.Key) })
	return found[:min(limit, len(found))], l.call()
}

// calls counts what was asked so far.
func (l *fakeLedger) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *fakeLedger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = err
}

// requestWith is a request with a token.
func requestWith(token string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func (l *fakeLedger) FindLast(
	ctx context.Context, kind, prefix, before string, limit int,
) ([]backends.Entry, error) {
	found, err := l.Find(ctx, kind, prefix, "", 1<<20)
	found = slices.DeleteFunc(found, func(e backends.Entry) bool { return before != "" && e.Key >= before })
	slices.Reverse(found)
	return found[:min(limit, len(found))], err
}
