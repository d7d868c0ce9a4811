package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// talker is a client that asks for writes and looks no closer than it must: on a small machine it
// computes beside the server.
type talker struct {
	conn net.Conn
	in   *bufio.Reader
	head string // of a REST request, up to its length
}

// talkSocket connects a talker over WebSocket.
func talkSocket(base string, s protocol.Scope) (*talker, error) {
	conn, err := upgrade("http" + strings.TrimPrefix(client.URL(base, s, "changes", "none"), "ws"))
	if err != nil {
		return nil, err
	}
	t := &talker{conn: conn, in: bufio.NewReader(conn)}
	_, err = t.frame() // welcome
	return t, err
}

// talkREST connects one over HTTP/1.1.
func talkREST(base string, s protocol.Scope) (*talker, error) {
	u, err := url.Parse(client.DataURL(base, s, ""))
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf(
		"POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n",
		u.RequestURI(), u.Host, credentialOf(u.Host),
	)
	return &talker{conn: conn, in: bufio.NewReader(conn), head: head}, nil
}

// insertText is a request to insert a document, as socket messages have it.
func insertText(id, mutation, data string) string {
	return fmt.Sprintf(
		`{"type":"second:data:insert","requestId":%q,"collection":"c","mutationId":%q,"data":%s}`, id, mutation,
		data,
	)
}

// insertSocket inserts and waits for the answer.
func (t *talker) insertSocket(n int64) error {
	if err := say(t.conn, insertText(strconv.FormatInt(n, 10), fmt.Sprint("m", n), document(n))); err != nil {
		return err
	}
	_, err := t.answer()
	return err
}

// answer reads up to the next answer to an insert.
func (t *talker) answer() ([]byte, error) {
	for {
		frame, err := t.frame()
		switch {
		case err != nil:
			return nil, err
		case bytes.Contains(frame, []byte(`"error":{`)):
			return nil, fmt.Errorf("insert: %s", frame)
		case bytes.Contains(frame, []byte(`second:data:insert-response`)):
			return frame, nil
		}
	}
}

// bookmark reads up to the next bookmark, and returns its cursor.
func (t *talker) bookmark() (string, error) {
	for {
		frame, err := t.frame()
		if err != nil {
			return "", err
		}
		if _, after, ok := bytes.Cut(frame, []byte(`"second:data:bookmark","cursor":"`)); ok {
			cursor, _, _ := bytes.Cut(after, []byte(`"`))
			return string(cursor), nil
		}
	}
}

// frame reads the server's next frame. The caller may use it until the next call.
func (t *talker) frame() ([]byte, error) {
	var head [10]byte
	if _, err := io.ReadFull(t.in, head[:2]); err != nil {
		return nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(t.in, head[2:4]); err != nil {
			return nil, err
		}
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err := io.ReadFull(t.in, head[2:10]); err != nil {
			return nil, err
		}
		n = binary.BigEndian.Uint64(head[2:])
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(t.in, payload)
	return payload, err
}

// insertREST inserts and waits for the answer.
func (t *talker) insertREST(n int64) error {
	body := fmt.Sprintf(`{"collection":"c","data":%s}`, document(n))
	_, err := fmt.Fprintf(
		t.conn, "%sIdempotency-Key: m%d\r\nContent-Length: %d\r\n\r\n%s", t.head, n, len(body), body,
	)
	if err != nil {
		return err
	}
	status, err := t.in.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for line := ""; err == nil && line != "\r\n"; {
		line, err = t.in.ReadString('\n')
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") {
			length, err = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	if err == nil {
		_, err = t.in.Discard(length)
	}
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 201") {
		err = fmt.Errorf("insert: %s", status)
	}
	return err
}
