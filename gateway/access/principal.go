package access

import (
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// Principal is who asks. Mutation ids of different principals are different ids.
type Principal struct {
	ID    string
	Name  string // for people; may be empty
	Actor backends.Actor
	// Roles are those that the credential names; nil in a mode without any.
	Roles *Roles
	// Expires is when the credential does; zero: never.
	Expires time.Time
	// Recheck is how long an answer of Allow holds for a connection that lasts; 0: until Expires.
	Recheck time.Duration

	credential string    // what the mode asks again with
	issued     time.Time // when the token was; zero: it does not say
	tokenID    string    // the token's jti; may be empty
}

// String names the principal in logs.
func (p Principal) String() string { return fmt.Sprintf("%s:%s", p.Actor.Kind, p.Actor.ID) }

// expired reports whether the credential has expired by a time.
func (p Principal) expired(now time.Time) bool { return !p.Expires.IsZero() && !now.Before(p.Expires) }
