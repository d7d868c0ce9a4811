package differential_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Answers are compared as these texts, so whatever must be the same is in them.

func sayDoc(d *protocol.Document) string {
	if d == nil {
		return "nothing"
	}
	return fmt.Sprintf(
		"%q %s created %s updated %s rev %s", d.ID, d.Data, sayTime(d.Created), sayTime(d.Updated), d.Rev,
	)
}

func sayTime(t time.Time) string { return t.Format(time.RFC3339Nano) }

func sayError(err error) string {
	var refused *backends.WriteError
	var told *protocol.Error
	switch {
	case errors.Is(err, backends.ErrCursor):
		return "ErrCursor"
	case errors.As(err, &refused):
		return fmt.Sprintf("refused at %d: %s", refused.Index, sayError(refused.Err))
	case errors.As(err, &told):
		return fmt.Sprintf("%s: %s", told.Code, told.Message)
	}
	return "a defect: " + err.Error()
}

// sayCode is for errors of the ledger, whose words no client sees.
func sayCode(err error) string {
	if code := protocol.CodeOf(err); code != protocol.CodeInternal {
		return string(code)
	}
	return sayError(err)
}

func sayOutcomes(outs []backends.Outcome) string {
	var text strings.Builder
	for i, o := range outs {
		fmt.Fprintf(&text, "\n  [%d] ", i)
		if o.Err != nil {
			text.WriteString(sayError(o.Err))
			continue
		}
		if o.Replayed {
			text.WriteString("replayed")
		}
		for _, c := range o.Changes {
			fmt.Fprintf(&text, "\n    %s", sayChange(c))
		}
	}
	return text.String()
}

func sayChange(c backends.Change) string {
	return fmt.Sprintf(
		"%s %q by %s: now %s, before %s", c.Op, c.Ref, c.By, sayDoc(c.Doc), sayDoc(c.Before),
	)
}

func sayTxs(txs []backends.Tx) string {
	var text strings.Builder
	for i, tx := range txs {
		fmt.Fprintf(&text, "\n  [%d] %s at %s", i, tx.Scope, sayTime(tx.At))
		if tx.Mutation != "" {
			fmt.Fprintf(&text, " mutation %s of %s, digest %x", tx.Mutation, tx.Principal, tx.Digest[:4])
		}
		for _, w := range tx.Writes {
			fmt.Fprintf(&text, "\n    %s", sayWrite(w))
		}
	}
	return text.String()
}

func sayWrite(w backends.Write) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %q", w.Op, w.Collection)
	if w.ID != "" {
		fmt.Fprintf(&text, " %q", w.ID)
	}
	if w.Filter != nil {
		fmt.Fprintf(&text, " where %s _id %q, new %s", w.Filter.Object(), w.Filter.ID, w.NewID)
	}
	if w.Op != backends.Delete {
		fmt.Fprintf(&text, " %s", w.Data)
	}
	if w.IfRev != "" {
		fmt.Fprintf(&text, " ifRev %s", w.IfRev)
	}
	if w.Paths {
		text.WriteString(" paths")
	}
	if w.MaxBytes != documentBytes {
		fmt.Fprintf(&text, " at most %d bytes", w.MaxBytes)
	}
	return text.String()
}

func sayEntry(e backends.Entry) string {
	return fmt.Sprintf(
		"%s/%q %q at %s until %s", e.Kind, e.Key, e.Body, sayTime(e.At.UTC()), sayTime(e.Expires.UTC()),
	)
}

// parting is where two texts part.
func parting(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// clip is the part of a text around a byte that people will read.
func clip(text string, around int) string {
	const before, length = 600, 1500
	if from := around - before; from > 0 {
		text = "…" + text[from:]
	}
	if len(text) > length {
		text = text[:length] + "…"
	}
	return strings.ToValidUTF8(text, "")
}
