package main

import (
	"time"

	"github.com/secondgate/secondgate/gateway/audit"
)

// trail is what leaves rows in the audit trail. Its flags are serve's, and those of commands that leave rows.
type trail struct {
	Audit          string        `help:"What leaves rows in the audit trail: off, writes, or all (refused writes too)." enum:"off,writes,all" default:"writes"`
	AuditRetention time.Duration `help:"How long rows of the audit trail are kept; 0s for ever." default:"2160h"`
}

func (t *trail) checkTrail() error {
	if t.AuditRetention < 0 || t.AuditRetention > 0 && t.AuditRetention < leastRetention {
		return badSetting("--audit-retention is %v: it must be 0s, which is for ever, or at least %v, such as 2160h",
			t.AuditRetention, leastRetention)
	}
	return nil
}

func (t *trail) config() audit.Config {
	level, _ := audit.ParseLevel(t.Audit) // kong has checked it
	return audit.Config{Level: level, Retention: t.AuditRetention}
}
