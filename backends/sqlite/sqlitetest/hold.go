package sqlitetest

import (
	"context"
	"database/sql"
	"sync"

	"github.com/secondgate/secondgate/conformance"
)

// Hold takes the write lock of a file, as a program with a long transaction does. It holds the lock
// until release is called.
func Hold(t conformance.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	c, err := db.Conn(context.Background())
	if err == nil {
		_, err = c.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	release = sync.OnceFunc(func() {
		if _, err := c.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Errorf("release: %v", err)
		}
		c.Close()
		db.Close()
	})
	t.Cleanup(release)
	return release
}
