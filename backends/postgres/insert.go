package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// connection is a connection that is ours alone.
type connection = *pgx.Conn

// errBroken: the connection broke before an answer came; what was sent may have happened.
var errBroken = &brokenError{}

type brokenError struct{}

func (*brokenError) Error() string   { return "the connection broke" }
func (*brokenError) Timeout() bool   { return false }
func (*brokenError) Temporary() bool { return true }

// A lone insert is one statement: the memory of its mutation, the document, and its row of the log, whose number is drawn
// once the document is in place. A mutation that is remembered already inserts nothing; an id that is taken fails the
// statement, and the memory with it. $1 is who writes.
const (
	insertSQL     = "WITH doc AS (" + documentSQL + "RETURNING 1) " + loggedSQL
	insertOnceSQL = `WITH memory AS (INSERT INTO @.app_data_mutations (key, at, digest, result) VALUES ($9, $10::text::timestamptz, $11, $12) ON CONFLICT DO NOTHING RETURNING 1),
	doc AS (` + documentSQL + "FROM memory RETURNING 1) " + loggedSQL
	documentSQL = `INSERT INTO @.app_data (workspace_id, app_id, collection, id, data, created_at, updated_at)
	SELECT $2, $3, $4, $5, $6::text::jsonb, $7::text::timestamptz, $8::text::timestamptz `
	loggedSQL = `INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor) SELECT $2, $3, $4, $5, 'insert', $1 FROM doc
	RETURNING xid::text, (SELECT token::text FROM @.app_data_epoch)`
	// quietSQL keeps the trigger from logging the same again, where a session cannot say so once and for all: for this
	// transaction, so that a pooler's next client does not inherit it.
	quietSQL = "SELECT set_config('secondgate.gateway', 'on', true)"
)

// insertion is one insert on its way.
type insertion struct {
	tx     *backends.Tx
	change backends.Change
	memory *backends.Memory
	out    *backends.Outcome
}

// insertAll sends inserts one behind the other, each a transaction of its own, and reads their answers. A refused one
// does not concern the others. The error is one of the connection.
func (b *Backend) insertAll(ctx context.Context, conn connection, txs []backends.Tx, outs []backends.Outcome) error {
	sent := make([]insertion, 0, len(txs))
	for i := range txs {
		change, err := txs[i].Writes[0].Apply(&txs[i], nil)
		if err != nil {
			outs[i].Err = &backends.WriteError{Err: err}
			continue
		}
		s := insertion{tx: &txs[i], change: change, out: &outs[i]}
		if txs[i].Mutation != "" {
			s.memory = backends.Remember(&txs[i])
		}
		sent = append(sent, s)
	}
	statements, err := b.insertStatements(ctx, conn)
	if err != nil {
		return err
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i := range sent {
		statements.send(pipeline, &sent[i])
	}
	if err := pipeline.Flush(); err != nil {
		return errors.Join(err, pipeline.Close())
	}
	for i := range sent {
		if err := b.inserted(pipeline, &sent[i]); err != nil {
			return errors.Join(err, pipeline.Close())
		}
	}
	if err := pipeline.Close(); err != nil {
		return err
	}
	return b.replayAll(ctx, conn, sent)
}

// inserted reads the answer to one insert, up to its end of transaction. The error is one of the connection.
func (b *Backend) inserted(pipeline *pgconn.Pipeline, s *insertion) error {
	var refusal error
	for quiet := false; ; {
		result, err := pipeline.GetResults()
		var state *pgconn.PgError
		switch {
		case errors.As(err, &state):
			refusal = err
			continue
		case err != nil:
			return err
		}
		switch r := result.(type) {
		case *pgconn.ResultReader:
			if b.pooled && !quiet { // the answer to quietSQL
				quiet = true
				_, err = r.Close()
				refusal = errors.Join(refusal, err)
				continue
			}
			if refusal = s.read(b, r); refusal != nil && !errors.As(refusal, &state) && !errors.Is(refusal, errReplay) && !errors.Is(refusal, errNoEpoch) {
				return refusal
			}
		case *pgconn.PipelineSync:
			if refusal != nil {
				s.out.Err = s.refuse(refusal)
			}
			return nil
		default:
			return errBroken
		}
	}
}

// errReplay: the mutation is remembered already.
var errReplay = errors.New("the mutation is remembered")

func (s *insertion) read(b *Backend, r *pgconn.ResultReader) error {
	var xid, token string
	for r.NextRow() {
		values := r.Values()
		xid, token = string(values[0]), string(values[1])
	}
	if _, err := r.Close(); err != nil {
		return err
	}
	switch {
	case xid == "":
		return errReplay
	case token == "":
		return errNoEpoch
	}
	number, err := strconv.ParseUint(xid, 10, 64)
	s.change.Commit = commit{b.epochOf(token), number}
	s.out.Changes = []backends.Change{s.change}
	return err
}

func (s *insertion) refuse(err error) error {
	if isState(err, uniqueViolation) {
		r := s.change.Ref
		err = protocol.Errorf(protocol.CodeAlreadyExists, "there is already a document %q in %q", r.ID, r.Collection)
	}
	if errors.Is(err, errReplay) {
		return err
	}
	return &backends.WriteError{Err: err}
}

// replayAll answers the inserts that were carried out before.
func (b *Backend) replayAll(ctx context.Context, conn connection, sent []insertion) error {
	for i := range sent {
		if !errors.Is(sent[i].out.Err, errReplay) {
			continue
		}
		t := transaction{backend: b, conn: conn, tx: sent[i].tx}
		out, err := t.replay(ctx, sent[i].memory)
		if err != nil && conn.IsClosed() {
			return err
		}
		out.Err = err
		*sent[i].out = out
	}
	return nil
}

// statements are the two forms of an insert, prepared where a session lasts.
type statements struct{ insert, once statement }

type statement struct {
	name, sql string // without a name it is sent anew each time
}

func (b *Backend) insertStatements(ctx context.Context, conn connection) (s statements, err error) {
	s = statements{statement{sql: b.sql(insertSQL)}, statement{sql: b.sql(insertOnceSQL)}}
	if b.pooled {
		return s, nil
	}
	for name, st := range map[string]*statement{"secondgate_insert": &s.insert, "secondgate_insert_once": &s.once} {
		st.name = name
		if _, err := conn.Prepare(ctx, name, st.sql); err != nil { // known already: costs nothing
			return s, err
		}
	}
	return s, nil
}

const millisLayout = "2006-01-02T15:04:05.000Z07:00"

// send queues one insert and the end of its transaction.
func (s *statements) send(p *pgconn.Pipeline, i *insertion) {
	r, doc := i.change.Ref, i.change.Doc
	text := func(s string) []byte { return []byte(s) }
	values := [][]byte{
		text(actorText(i.tx.By)), text(r.Scope.Workspace), text(r.Scope.StoredApp()), text(r.Collection), text(r.ID),
		doc.Data, text(doc.Created.Format(millisLayout)), text(doc.Updated.Format(millisLayout)),
	}
	formats := make([]int16, len(values), 12)
	st := s.insert
	if m := i.memory; m != nil {
		const binary = 1
		st = s.once
		values = append(values, m.Key, text(time.UnixMilli(m.At).UTC().Format(millisLayout)), m.Digest, m.Result)
		formats = append(formats, binary, 0, binary, binary)
	}
	if st.name == "" {
		p.SendQueryParams(quietSQL, nil, nil, nil, nil)
		p.SendQueryParams(st.sql, values, nil, formats, nil)
	} else {
		p.SendQueryPrepared(st.name, values, formats, nil)
	}
	p.SendPipelineSync()
}
