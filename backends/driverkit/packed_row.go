package driverkit

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/secondgate/secondgate/backends"
)

// A row of the audit trail has a kilobyte of text, most of which is in every other row too. So SQL
// databases keep bodies packed, by a dictionary of what rows have in common: a third is left to
// write, to sync and to keep. The dictionary is part of the stored form and must never change; another
// one would need another first byte.

// packedRow is the first byte of a packed body. Canonical JSON begins with a brace.
const packedRow = 0xB1

// longestRow bounds what a damaged body may claim to be, in bytes.
const longestRow = 16 << 20

// errPackedRow is of a body that another program has damaged.
var errPackedRow = errors.New("a packed row of the audit trail is damaged")

var rowDictionary = sync.OnceValue(func() *s2.Dict {
	return s2.MakeDictManual([]byte(rowFragments), 0)
})

// PackRow returns the body of an entry as it is stored.
func PackRow(e backends.Entry) []byte {
	if e.Kind != backends.AuditKind || len(e.Body) < s2.MinDictSize {
		return e.Body
	}
	dst := make([]byte, 1+s2.MaxEncodedLen(len(e.Body)))
	dst[0] = packedRow
	return dst[:1+len(rowDictionary().Encode(dst[1:], e.Body))]
}

// UnpackRow is the inverse of PackRow.
func UnpackRow(e *backends.Entry) error {
	if e.Kind != backends.AuditKind || len(e.Body) == 0 || e.Body[0] != packedRow {
		return nil
	}
	n, err := s2.DecodedLen(e.Body[1:])
	if err != nil || n > longestRow {
		return errPackedRow
	}
	body, err := rowDictionary().Decode(make([]byte, n), e.Body[1:])
	if err != nil {
		return errPackedRow
	}
	e.Body = body
	return nil
}

const rowFragments = `{"_id":"6b0d","action":"deleted","actor":{"displayName":"Anonymous","kind":"anonymous","role":"admin",` +
	`"actor":{"agentId":"","agentName":"","kind":"agent"},"category":"auth","changes":{"beforeHash":"sha256:` +
	`","changedFields":["","eventName":"app_data.write.refused","metadata":{"code":"forbidden","collection":"` +
	`","operation":"insert","outcome":"denied","outcome":"failure","eventName":"auth.token.revoked",` +
	`"source":{"appId":"","kind":"app_agent","sourceVersion":"draft","trust":"internal_trusted"},` +
	`"summary":"App agent inserted document in .","dataScope":"draft","filterKeys":["_id"],"sourceVersion":"draft"},` +
	`"action":"upserted","eventName":"app_data.document.upserted","summary":"Upserted document in .",` +
	`"action":"deleted","severity":"warning","eventName":"app_data.document.deleted","summary":"Deleted document in ",` +
	`"retention":{"expiresAt":null,"action":"updated","actor":{"displayName":"","kind":"user","role":"member",` +
	`"userId":""},"role":"owner","category":"app_data","changes":{"afterHash":"sha256:","beforeHash":"sha256:` +
	`","eventName":"app_data.document.updated","summary":"Updated document in ` +
	`{"_id":"6b0d","action":"inserted","actor":{"displayName":"Anonymous","kind":"anonymous"},"category":"app_data",` +
	`"changes":{"afterHash":"sha256:","changedFields":["name","text","title"],"redactedFields":[]},` +
	`"createdAt":"2026-12-01T00:00:00.000Z","eventName":"app_data.document.inserted","metadata":{"collection":"",` +
	`"dataScope":"published","sourceVersion":"published"},"observedAt":"2026-","occurredAt":"2026-",` +
	`"outcome":"success","relatedIds":{"appDataDocumentId":"6b","appId":""},"retention":{"expiresAt":"2027-` +
	`","legalHold":false,"policy":"default"},"schemaVersion":1,"severity":"notice","source":{"appId":"` +
	`","ipHash":"sha256:","kind":"app_iframe","requestId":"","sourceVersion":"published","trust":"client_untrusted",` +
	`"userAgentHash":"sha256:"},"summary":"Inserted document in .","target":{"id":"","name":" / ","parentId":"",` +
	`"parentType":"app","type":"app_data_document"},"workspaceId":"`
