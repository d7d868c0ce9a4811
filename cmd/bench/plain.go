package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver of the floor, the same as the gateway's
)

// plain is the floor: one table, grouped commits at synchronous=FULL, and nothing else.
type plain struct {
	db    *sql.DB
	conn  *sql.Conn
	queue chan plainWrite
	done  chan struct{}
}

type plainWrite struct {
	id, data string
	answer   chan error
}

func openPlain(ctx context.Context, file string) (*plain, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if _, err := conn.ExecContext(
		ctx, "CREATE TABLE plain (id TEXT PRIMARY KEY, data TEXT NOT NULL, created_at INTEGER, updated_at INTEGER)",
	); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	p := &plain{db, conn, make(chan plainWrite, 256), make(chan struct{})}
	go p.commit(ctx)
	return p, nil
}

// commit groups the waiting writes into one transaction, as the gateway does.
func (p *plain) commit(ctx context.Context) {
	defer close(p.done)
	insert, err := p.conn.PrepareContext(ctx, "INSERT INTO plain VALUES (?, ?, ?, ?)")
	for w := range p.queue {
		group := []plainWrite{w}
		for len(group) < 256 && len(p.queue) > 0 {
			group = append(group, <-p.queue)
		}
		if err == nil {
			err = p.group(ctx, insert, group)
		}
		for _, w := range group {
			w.answer <- err
		}
	}
}

func (p *plain) group(ctx context.Context, insert *sql.Stmt, group []plainWrite) error {
	if _, err := p.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, w := range group {
		if _, err := insert.ExecContext(ctx, w.id, w.data, 0, 0); err != nil {
			return fmt.Errorf("plain insert: %w", err)
		}
	}
	_, err := p.conn.ExecContext(ctx, "COMMIT")
	return err
}

func (p *plain) write(id, data string) error {
	w := plainWrite{id, data, make(chan error, 1)}
	p.queue <- w
	return <-w.answer
}

func (p *plain) close() error {
	close(p.queue)
	<-p.done
	return errors.Join(p.conn.Close(), p.db.Close())
}
