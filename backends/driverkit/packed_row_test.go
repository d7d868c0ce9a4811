package driverkit_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// aRow is a row as gateways write them.
const aRow = `{"_id":"6b0d7fcfdfd1e7d7e19dea39","action":"updated","actor":{"displayName":"Ada","kind":"user",` +
	`"role":"member","userId":"ada"},"category":"app_data","changes":{"afterHash":"sha256:07369a01747fe85c6d777120` +
	`5f58a68f6c62631b17a6c4ead367d4b8968bfd89","beforeHash":"sha256:2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b` +
	`9d90fbaad655e71bd","changedFields":["name"],"redactedFields":[]},"createdAt":"2026-11-30T12:00:00.000Z",` +
	`"eventName":"app_data.document.updated","metadata":{"collection":"leads","dataScope":"published",` +
	`"sourceVersion":"published"},"observedAt":"2026-11-30T12:00:00.000Z","occurredAt":"2026-11-30T12:00:00.000Z",` +
	`"outcome":"success","relatedIds":{"appDataDocumentId":"6b0d7fcfdfd1e7d7e19dea35","appId":"crm"},"retention":` +
	`{"expiresAt":"2027-02-28T12:00:00.000Z","legalHold":false,"policy":"default"},"schemaVersion":1,"severity":` +
	`"notice","source":{"appId":"crm","ipHash":"sha256:882704996ded","kind":"app_iframe","requestId":"r1",` +
	`"sourceVersion":"published","trust":"client_untrusted","userAgentHash":"sha256:2b693c9f5a5a"},"summary":` +
	`"Updated document in leads.","target":{"id":"6b0d7fcfdfd1e7d7e19dea35","name":"leads / 6b0d7fcfdfd1e7d7e19dea35",` +
	`"parentId":"crm","parentType":"app","type":"app_data_document"},"workspaceId":"acme"}`

// TestPackedRows: what is packed comes back byte by byte, at less than half its size; a damaged one is an
// error.
func TestPackedRows(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		aRow, strings.ReplaceAll(aRow, "leads", strings.Repeat("é🎈", 1000)), `{}`, ``,
		`{"a":"` + strings.Repeat("x", 1<<16) + `"}`,
	} {
		e := backends.Entry{Kind: backends.AuditKind, Body: []byte(body)}
		packed := driverkit.PackRow(e)
		e.Body = packed
		require.NoError(t, driverkit.UnpackRow(&e))
		require.Equal(t, body, string(e.Body))
		if body == aRow {
			t.Logf("%d bytes are packed into %d", len(body), len(packed))
			require.Less(t, len(packed), len(body)/2)
		}
	}
	ticket := backends.Entry{Kind: "ticket", Body: []byte(aRow)}
	require.Equal(t, aRow, string(driverkit.PackRow(ticket)), "other entries stay as they are")
	packed := driverkit.PackRow(backends.Entry{Kind: backends.AuditKind, Body: []byte(aRow)})
	for n := 1; n < len(packed); n++ {
		e := backends.Entry{Kind: backends.AuditKind, Body: bytes.Clone(packed[:n])}
		require.Error(t, driverkit.UnpackRow(&e), "cut after %d bytes", n)
	}
}

// TestPackedRowsOfBefore: what a gateway has stored, later ones must read.
func TestPackedRowsOfBefore(t *testing.T) {
	t.Parallel()
	stored, err := base64.StdEncoding.DecodeString(storedRow)
	require.NoError(t, err)
	e := backends.Entry{Kind: backends.AuditKind, Body: stored}
	require.NoError(t, driverkit.UnpackRow(&e))
	require.Equal(t, aRow, string(e.Body))
}

// storedRow is aRow, packed by the first build that did.
const storedRow = "sdsJFQAETDdmY2ZkZmQxZTdkN2UxOWRlYTM5LosDecteigMEZGE5VX6YBAhhZGHengPwPzA3MzY5YTAxNzQ3ZmU4NWM2ZDc3NzEy" +
	"MDVmNThhNjhmNmM2MjYzMWIxN2E2YzRlYWQzNjdkNGI4OTY4YmZkODlazATwPzJiZmQxNGY0M2QxN2ZjN2NlYTI0ZTA5MTdhODg3" +
	"OWI0YjJmODgwYjhiYWVlYzFiOWQ5MGZiYWFkNjU1ZTcxYmRiNQSmJgQYMS0zMFQxMhUAJDmWYiUEEGxlYWRzkSoVADpWpgBGPQRa" +
	"KADaUARSoAIANZ1mCGNybYZpBBAwMi0yOEJiAZF8FQBOCGNybUp/BCw4ODI3MDQ5OTZkZWR5NmKLBARyMZGNFQBBLDJiNjkzYzlm" +
	"NWE1YTaZBABVSVQAIJE4ICBpbiBsZWFkc0qdBGqaAQxuYW1lUX8IIC8gaioAndIpLgkRAFSVyIHVFQAgGCJhY21lIn0="
