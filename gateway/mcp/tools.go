package mcp

// tools are all of them, in the order in which they are listed.
var tools = []tool{
	{
		name: "describe_data", title: "Describe the data", readOnly: true, idempotent: true, serve: describeData,
		says: "What there is: each collection that you may use with its count, its fields and their types as found in " +
			"a sample, and a few documents. Begin here.",
		input:  schema(`"collection":{"type":"string","description":"One collection alone."}`),
		output: objectSchema,
	},
	{
		name: "query", title: "Find documents", readOnly: true, idempotent: true, serve: queryData, lists: true,
		says: `Documents of a collection that match where: {"status":"open","score":{"$gte":10}}. Operators: $eq, $in, ` +
			`$gt, $gte, $lt, $lte, $exists; "$or":[…] at the top. A name with dots leads to a nested field. order: up to ` +
			`two names, "-score" for the greatest first. An answer with next has more: pass it as after.`,
		input: schema(
			`"collection":{"type":"string"},"where":{"type":"object"},"order":{"type":"array","items":{"type":`+
				`"string"},"maxItems":2},"limit":{"type":"integer","minimum":1,"maximum":1000},"after":{"type":"string"},`+
				`"fields":{"type":"array","items":{"type":"string"},"description":"The top-level fields wanted."},`+
				`"count":{"type":"boolean","description":"Also count all that match."}`,
			"collection",
		),
		output: objectSchema,
	},
	{
		name: "write", title: "Write documents", destructive: true, serve: writeData, lists: true,
		says: "Insert, update, upsert and delete, all or nothing, up to 1,000 operations. update replaces the named fields. " +
			"upsert finds by filter (equal fields), or inserts. ifRev refuses if the document has changed since you read that " +
			"_rev. dryRun shows before and after and changes nothing. The answer's changeSet can be undone.",
		input: schema(
			`"operations":{"type":"array","minItems":1,"maxItems":1000,"items":{"type":"object","properties":{`+
				`"operation":{"enum":["insert","update","upsert","delete"]},"collection":{"type":"string"},"docId":{"type":`+
				`"string"},"filter":{"type":"object"},"data":{"type":"object"},"ifRev":{"type":"string"},"paths":{"type":`+
				`"boolean","description":"Names with dots lead to nested fields."}},"required":["operation","collection"],`+
				`"additionalProperties":false}},"mutationId":{"type":"string","description":"Your id for this write: sent `+
				`again it has one effect."},"dryRun":{"type":"boolean"},"approvalId":`+approvalSchema,
			"operations",
		),
		output: objectSchema,
	},
	{
		name: "delete_where", title: "Delete documents that match", destructive: true, slow: true, serve: deleteWhere, lists: true,
		says: "The first call, with where, deletes nothing: it shows what matches and gives a token. The second call, with " +
			"that token alone, deletes exactly those documents, and refuses if one has changed since.",
		input: schema(
			`"collection":{"type":"string"},"where":{"type":"object"},"token":{"type":"string"},"approvalId":` +
				approvalSchema,
		),
		output: objectSchema,
	},
	{
		name: "undo", title: "Undo a change set", destructive: true, slow: true, serve: undoChanges,
		says: "Makes the documents of one of your change sets what they were before, all or nothing. It refuses, and names " +
			"the documents, if somebody has changed one since. The answer's changeSet undoes the undo.",
		input:  schema(`"changeSet":{"type":"string"}`, "changeSet"),
		output: objectSchema,
	},
	{
		name: "changes_since", title: "What changed", readOnly: true, idempotent: true, serve: changesSince,
		says: "What changed after a cursor, in the collections that you may use. Without a cursor it gives the one of now, " +
			"after which a change that you have read already may be told once more. reset means that the changes cannot be told: read again.",
		input:  schema(`"cursor":{"type":"string"},"collection":{"type":"string"}`),
		output: objectSchema,
	},
	{
		name: "wait_for_changes", title: "Wait for changes", readOnly: true, waits: true, serve: waitForChanges,
		says: "changes_since that waits, up to seconds (50 at most), until something has changed.",
		input: schema(
			`"cursor":{"type":"string"},"collection":{"type":"string"},"seconds":{"type":"integer","minimum":1,"maximum":50}`,
			"cursor",
		),
		output: objectSchema,
	},
	{
		name: "update_app_data", title: "Write app data", destructive: true, serve: updateAppData, lists: true,
		says: `Writes one document of the app's data. For update and delete filter must include "_id", such as ` +
			`{"collection":"leads","operation":"update","filter":{"_id":"abc"},"data":{"status":"won"}}.`,
		input: schema(
			`"collection":{"type":"string"},"operation":{"enum":["insert","update","upsert","delete"]},"filter":`+
				`{"type":"object"},"data":{"type":"object"}`,
			"collection",
			"operation",
		),
	},
	{
		name: "read_app_data", title: "Read app data", readOnly: true, idempotent: true, serve: readAppData, lists: true,
		says:  "Reads the app's data: all documents of a collection, or one by docId. For large collections use query.",
		input: schema(`"collection":{"type":"string"},"docId":{"type":"string"}`, "collection"),
	},
}

// approvalSchema is of the id that a person's approval is asked under.
const approvalSchema = `{"type":"string","description":"The id under which a person approved this very call."}`

// objectSchema is of answers, whose fields the descriptions tell.
const objectSchema = `{"type":"object"}`

// schema is of a tool's arguments.
func schema(properties string, required ...string) string {
	s := `{"type":"object","properties":{` + properties + `},"additionalProperties":false`
	for i, name := range required {
		if i == 0 {
			s += `,"required":[`
		} else {
			s += ","
		}
		s += `"` + name + `"`
	}
	if len(required) > 0 {
		s += "]"
	}
	return s + "}"
}
