package postgrestest

import (
	"errors"
	"path/filepath"

	"github.com/secondgate/secondgate/conformance"
)

// Standby starts a server that follows c, from a copy of its data made by pg_basebackup.
func (c *Cluster) Standby(t conformance.T, settings ...string) *Cluster {
	t.Helper()
	s, err := newCluster()
	if err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop the standby: %v", err)
		}
	})
	err = s.run(program(s.bin, "pg_basebackup"), "--pgdata="+s.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname="+c.URL())
	if err := errors.Join(err, s.open(settings)); err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	return s
}

// Promote makes a primary of a standby.
func (c *Cluster) Promote(t conformance.T) {
	t.Helper()
	if err := c.run(filepath.Join(c.bin, "pg_ctl"), "-D", c.data(), "-w", "promote"); err != nil {
		t.Fatalf("promote: %v", err)
	}
}
