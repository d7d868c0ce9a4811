package protocol

import (
	"net/url"
	"strings"
)

// DecodeQuery reads a query from the parameters of a URL: where as JSON, order and fields as names with
// commas between them, count=1, limit, after.
func DecodeQuery(query url.Values) (r Request, err error) {
	r = Request{Type: TypeQuery, Collection: query.Get("collection"), After: query.Get("after")}
	if where := query.Get("where"); where != "" {
		if r.Where, err = canonicalValue([]byte(where), MaxDepth+1); err != nil {
			return r, err
		}
		if r.Where[0] != '{' {
			return r, Errorf(CodeInvalidMessage, `where must be a JSON object, such as {"status":"open"}`)
		}
	}
	if query.Has("order") {
		r.Order = strings.Split(query.Get("order"), ",")
	}
	if query.Has("fields") {
		r.Fields = strings.Split(query.Get("fields"), ",")
	}
	if err := setFlag(query, &r.Count); err != nil {
		return r, err
	}
	if query.Has("limit") {
		return r, r.setLimit([]byte(query.Get("limit")))
	}
	return r, nil
}

func setFlag(query url.Values, count *bool) error {
	switch query.Get("count") {
	case "", "0", "false":
	case "1", "true":
		*count = true
	default:
		return Errorf(CodeInvalidMessage, "count must be 1, or left out")
	}
	return nil
}
