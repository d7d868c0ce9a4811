package backends

import (
	"strconv"
	"strings"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// AuditKind is the kind of entries that are rows of the audit trail. Drivers may keep these apart
// from the others: MongoDB keeps them as documents of the collection that web apps show.
//
// The Key of a row is an AuditKey. Its Body is a canonical JSON object with the members _id,
// workspaceId and occurredAt of the key, and with retention.expiresAt, which is Expires or null.
// Times in it are as [protocol.AppendTime] writes them.
//
// The prefix of Find and FindLast is a workspace and a slash, and their bound is empty or a key. Find
// also takes an empty prefix, with a limit of 1 and AfterWorkspace as its bound: the row that it
// returns names another workspace, until all were named.
const AuditKind = "audit"

// AfterWorkspace is a bound of Find beyond all rows of a workspace: what comes after a slash.
func AfterWorkspace(workspace string) string { return workspace + "0" }

// timeDigits is the length of a time in an AuditKey: milliseconds in hexadecimal.
const timeDigits = 12

// AuditKey is the key of a row. Rows of one workspace ascend by their time, then by their id. The id
// is one that protocol.NewID made; without one the key is a bound before all rows of that time.
func AuditKey(workspace string, at time.Time, id string) string {
	ms := strconv.FormatUint(uint64(max(at.UnixMilli(), 0)), 16)
	return workspace + "/" + strings.Repeat("0", max(timeDigits-len(ms), 0)) + ms + id
}

// ParseAuditKey reads what AuditKey wrote. The id may be missing.
func ParseAuditKey(key string) (workspace string, at time.Time, id string, ok bool) {
	workspace, rest, ok := strings.Cut(key, "/")
	if !ok || len(rest) < timeDigits {
		return workspace, at, "", false
	}
	ms, err := strconv.ParseInt(rest[:timeDigits], 16, 64)
	id = rest[timeDigits:]
	return workspace, time.UnixMilli(ms).UTC(), id, err == nil && (id == "" || protocol.ServerMade(id))
}
