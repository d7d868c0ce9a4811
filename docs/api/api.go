// Package api holds the descriptions of the protocol for machines: JSON Schemas (2020-12), and
// OpenAPI 3.1 and AsyncAPI 3 documents that refer to them. They are written by hand;
// docs/protocol.md says the same in words.
package api

import "embed"

// Files are openapi.json, openapi-agents.json, asyncapi.json and schema/*.json.
//
//go:embed openapi.json openapi-agents.json asyncapi.json schema
var Files embed.FS
