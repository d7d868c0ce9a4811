package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/secondgate/secondgate/conformance"
)

// Standby starts a server that follows c. Its data is a copy of c's, for which c is stopped for a
// moment. pg_basebackup needs no stop, but cannot copy a server that is newer than itself, and not
// every system has the newest.
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
	if err := s.follow(c, settings); err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	return s
}

func (s *Cluster) follow(c *Cluster, settings []string) error {
	if err := c.Stop(); err != nil {
		return err
	}
	err := s.Run("cp", "-Rp", c.data(), s.data())
	if err := errors.Join(err, c.Restart()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644); err != nil {
		return err
	}
	return s.open(append(settings, fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres "+
		"sslmode=disable'", c.port)))
}

// Promote makes a standby a primary.
func (c *Cluster) Promote(t conformance.T) {
	t.Helper()
	if err := c.Run(filepath.Join(c.bin, "pg_ctl"), "-D", c.data(), "-w", "promote"); err != nil {
		t.Fatalf("promote: %v", err)
	}
}
