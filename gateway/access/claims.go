package access

import (
	"strings"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// ClaimNames are where a token says what. Each is the name of a claim, or the way to one inside
// others, with dots: app_metadata.workspaces.
type ClaimNames struct {
	User, Name, Workspaces, Apps string
}

// DefaultClaims are the names unless the operator sets others.
var DefaultClaims = ClaimNames{User: "sub", Name: "name", Workspaces: "workspaces", Apps: "apps"}

// maxUser is the greatest length of a user's id, in bytes.
const maxUser = 256

// principal reads the claims of a token whose signature holds.
func (n ClaimNames) principal(claims jwt.MapClaims) (p Principal, refused *protocol.Error) {
	id, _ := claimAt(claims, n.User).(string)
	if id == "" || len(id) > maxUser || strings.ContainsFunc(id, unicode.IsControl) {
		return p, badClaim("%s must be the user's id: a string of 1 to %d bytes", n.User, maxUser)
	}
	p.ID, p.Actor = id, backends.Actor{Kind: "user", ID: id}
	p.Name, _ = claimAt(claims, n.Name).(string)
	p.Roles = &Roles{Workspaces: map[string]string{}, Apps: map[string]string{}}
	refused = readRoles(claims, n.Workspaces, "owner, admin or member", p.Roles.addWorkspace)
	if refused == nil {
		refused = readRoles(claims, n.Apps, "creator, collaborator or viewer", p.Roles.addApp)
	}
	return p, refused
}

func badClaim(format string, args ...any) *protocol.Error {
	return protocol.Errorf(protocol.CodeUnauthorized, "the token's claim "+format, args...)
}

// readRoles reads an object of roles by id. A token without it gives none.
func readRoles(
	claims jwt.MapClaims, name, roles string, add func(id, role string) bool,
) *protocol.Error {
	value := claimAt(claims, name)
	if value == nil {
		return nil
	}
	byID, ok := value.(map[string]any)
	if !ok {
		return badClaim(`%s must be an object of roles by id, such as {"a1":"viewer"}`, name)
	}
	for id, role := range byID {
		if text, ok := role.(string); !ok || !add(id, text) {
			return badClaim("%s names a role that does not exist, or an id twice: write %s", name, roles)
		}
	}
	return nil
}

// claimAt is the claim of a name, or inside others; nil if there is none. A name with dots may be that of a
// claim itself, as URLs are.
func claimAt(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	first, rest, nested := strings.Cut(name, ".")
	inside, ok := claims[first].(map[string]any)
	if !nested || !ok {
		return nil
	}
	return claimAt(inside, rest)
}
