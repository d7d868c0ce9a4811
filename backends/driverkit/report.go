package driverkit

import (
	"fmt"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// Report collects the findings of a check of a database.
type Report struct{ Findings []backends.Finding }

// OK reports something that is as it should be.
func (r *Report) OK(what string, args ...any) { r.add(backends.LevelOK, "", what, args) }

// Warn reports something that works but may surprise the operator. fix is what to do about it.
func (r *Report) Warn(fix, what string, args ...any) { r.add(backends.LevelWarn, fix, what, args) }

// Fail reports something that does not work, or that puts data in danger.
func (r *Report) Fail(fix, what string, args ...any) { r.add(backends.LevelFail, fix, what, args) }

func (r *Report) add(level, fix, what string, args []any) {
	r.Findings = append(r.Findings, backends.Finding{Level: level, What: fmt.Sprintf(what, args...), Fix: fix})
}

// Error reports an error of the form "what is wrong: what to do".
func (r *Report) Error(err error) {
	what, fix, _ := strings.Cut(err.Error(), ": ")
	r.Fail(fix, "%s", what)
}

// maxSkew is how far a server's clock may be from the gateway's.
const maxSkew = 5 * time.Second

// ServerClock compares a server's time with the gateway's at the moment of asking. uses says which
// times the server's clock decides.
func (r *Report) ServerClock(server, asked time.Time, uses string) {
	if skew := server.Sub(asked).Abs(); skew > maxSkew {
		r.Warn("set both clocks by NTP: documents carry the gateway's time, "+uses+" the server's",
			"the server's clock is %s off", skew.Round(time.Millisecond))
		return
	}
	r.OK("the server's clock agrees")
}
