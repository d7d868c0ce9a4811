package rest

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// heldList is how much of a list is held back before its status goes out, in bytes.
	heldList = 1 << 20
	// listRoom is what a list holds at most: that much and its pages, read and encoded.
	listRoom = 2 << 20
)

// longAnswer is a list on its way out: held back until it is over or long, then streamed.
type longAnswer struct {
	w     http.ResponseWriter
	body  *door.Body
	held  bytes.Buffer
	bytes int
	max   int
	hold  int // how much is held back, in bytes
	begun bool
	// shrink says how much is held, once that is known.
	shrink func(n int)
	// head: the request is HEAD. It reads what GET holds back, for the status and the length, and no more.
	head bool
	// fits, if set, is asked once, before the status goes out.
	fits func() bool
}

func (h handler) newLongAnswer(c *call, w http.ResponseWriter, r *http.Request) *longAnswer {
	return &longAnswer{
		hold: min(heldList, c.room/2), w: w, body: h.env.ResponseBody(r.Context(), w), max: h.env.ListBytes,
		shrink: func(n int) { h.shrink(c, n) }, head: r.Method == http.MethodHead,
	}
}

// weight is the average size of so many documents, in bytes.
func (a *longAnswer) weight(docs int) int { return a.bytes / cmp.Or(docs, 1) }

// add fails with list_too_large, or when the peer is gone.
func (a *longAnswer) add(p []byte) *protocol.Error {
	if a.bytes += len(p); a.bytes > a.max {
		return errListTooLarge(a.max)
	}
	if a.begun {
		return a.pass(p)
	}
	a.held.Write(p)
	if a.held.Len() < a.hold {
		return nil
	}
	if a.head {
		return errEnough
	}
	if a.fits != nil && !a.fits() {
		return errListTooLarge(a.max)
	}
	return a.begin()
}

func errListTooLarge(limit int) *protocol.Error {
	return protocol.Errorf(
		protocol.CodeListTooLarge, "the list is over %d bytes: page it with limit and after", limit,
	)
}

// errEnough ends the reading of a HEAD whose list is too long to be held back.
var errEnough = protocol.Errorf(protocol.CodeInternal, "the status and the headers are known")

func errPeerGone() *protocol.Error {
	return protocol.Errorf(protocol.CodeUnavailable, "the peer is gone")
}

func (a *longAnswer) begin() *protocol.Error {
	a.begun = true
	if a.hold < heldList { // its pages are small, and unread ones must not fill what is kept for the small
		a.shrink(0)
	}
	a.w.Header().Set("Content-Type", "application/json")
	a.w.WriteHeader(http.StatusOK)
	held := a.held.Bytes()
	a.held = bytes.Buffer{}
	return a.pass(held)
}

func (a *longAnswer) pass(p []byte) *protocol.Error {
	if a.body.Write(p) != nil {
		return errPeerGone()
	}
	return nil
}

// end adds the last part and sends what is held back.
func (a *longAnswer) end(p []byte) *protocol.Error {
	if refused := a.add(p); refused != nil {
		return refused
	}
	if !a.begun {
		a.shrink(a.held.Len())
		a.w.Header().Set("Content-Length", strconv.Itoa(a.held.Len()))
		if refused := a.begin(); refused != nil {
			return refused
		}
	}
	if a.body.Close() != nil {
		return errPeerGone()
	}
	return nil
}
