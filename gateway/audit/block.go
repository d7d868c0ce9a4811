package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// blockKind is the kind of blocks in the ledger.
const blockKind = "audit-block"

// block seals rows of one workspace. Each block names the hash of the one before, so none can be
// changed or left out without all later ones telling.
//
// Rows and blocks that expire may go by themselves, which leaves a chain that holds: a block says
// until when each of its rows, and the block before it, must be there.
type block struct {
	Number    int64  `json:"n"`
	Workspace string `json:"workspace"`
	// Previous is the hash of the block before; empty for the first one.
	Previous string `json:"previous,omitempty"`
	// PreviousExpires is from when on the block before may be missing; 0: never.
	PreviousExpires int64 `json:"previousExpires,omitempty"`
	// Through is a key without its workspace. All rows up to it are sealed, but for those that became
	// visible late.
	Through string `json:"through"`
	// Expires is from when on this block may be missing, in milliseconds; 0: never.
	Expires int64    `json:"expires,omitempty"`
	Rows    []sealed `json:"rows"`
}

// sealed is one row of a block.
type sealed struct {
	// Key is the row's AuditKey without its workspace.
	Key  string `json:"k"`
	Hash string `json:"h"`
	// Expires is from when on the row may be missing, in milliseconds; 0: never.
	Expires int64 `json:"e,omitempty"`
}

// through is the time of the last row that is sealed.
func (b *block) through() time.Time {
	_, at, _, _ := backends.ParseAuditKey(b.Workspace + "/" + b.Through)
	return at
}

// seal is a row as a block has it.
func seal(row backends.Entry) sealed {
	return sealed{Key: shortKey(row.Key), Hash: sumOf(row.Body), Expires: millis(row.Expires)}
}

// shortKey is a row's key without its workspace.
func shortKey(key string) string {
	for i := range len(key) {
		if key[i] == '/' {
			return key[i+1:]
		}
	}
	return key
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// millis is a time in a block: 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// over reports whether something that expires may be missing at a time.
func over(expires int64, now time.Time) bool { return expires != 0 && expires <= now.UnixMilli() }

// blockSpare is how much longer a block stays than the rows that it seals.
const blockSpare = 24 * time.Hour

// expiry is when a block may go: after its rows, and after the block before it, which it vouches for.
func (b *block) expiry() int64 {
	last := b.PreviousExpires
	if b.Number > 1 && last == 0 {
		return 0
	}
	for _, r := range b.Rows {
		if r.Expires == 0 {
			return 0
		}
		last = max(last, r.Expires+blockSpare.Milliseconds())
	}
	return last
}

// blockKey names a block. Numbers ascend.
func blockKey(workspace string, number int64) string {
	return fmt.Sprintf("%s/%016x", workspace, number)
}

// entry is the block as the ledger has it.
func (b *block) entry(at time.Time) (backends.Entry, error) {
	body, err := json.Marshal(b)
	e := backends.Entry{Kind: blockKind, Key: blockKey(b.Workspace, b.Number), Body: body, At: at}
	if b.Expires != 0 {
		e.Expires = time.UnixMilli(b.Expires).UTC()
	}
	return e, err
}

// readBlock fails on what no sealer has written.
func readBlock(e backends.Entry) (b block, err error) {
	if err = json.Unmarshal(e.Body, &b); err == nil && blockKey(b.Workspace, b.Number) != e.Key {
		err = fmt.Errorf("it is block %d of workspace %s", b.Number, b.Workspace)
	}
	return b, err
}
