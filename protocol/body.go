package protocol

// DecodeBody reads a REST body as an insert or an update. The rules of [Canonical] hold for the
// whole body. Fields that the request does not take are ignored, as today's clients expect; the
// caller sets what the URL and the headers say.
func DecodeBody(body []byte, t Type, limits Limits) (Request, error) {
	r := Request{Type: t}
	text, err := canonicalValue(body, MaxDepth+1)
	if err != nil {
		return r, err
	}
	if text[0] != '{' {
		return r, Errorf(CodeInvalidMessage, "the body must be a JSON object")
	}
	for name, value := range Members(text) {
		field := unquote(name)
		if field != "collection" && field != "data" && (field != "docId" || t != TypeInsert) {
			continue
		}
		if err := r.set(field, value, limits); err != nil {
			return r, err
		}
	}
	if r.Collection == "" || r.Data == nil {
		return r, Errorf(CodeInvalidMessage, "the body needs the fields collection (a string) and data (an object)")
	}
	return r, r.complete(text, shape{}, limits)
}
