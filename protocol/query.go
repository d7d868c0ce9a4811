package protocol

import (
	"bytes"
	"strings"
)

const (
	// MaxBranches is the greatest number of alternatives of a where.
	MaxBranches = 16
	// MaxValues is the greatest number of values of an $in.
	MaxValues = 100
	// MaxOrder is the greatest number of fields that a query orders by.
	MaxOrder = 2
	// MaxFields is the greatest number of fields that a query can choose.
	MaxFields = 64
	// MaxResults is the greatest number of documents of a query's page, DefaultResults how many a query
	// asks for that names no limit.
	MaxResults, DefaultResults = 1000, 100
)

// Query chooses, orders and cuts the documents of a collection. It alone decides what matches and what
// comes first, on every database.
//
// A where is an object of conditions that all hold: {"status": "open", "score": {"$gte": 10, "$lt": 20},
// "tag": {"$in": ["a", "b"]}, "owner": {"$exists": true}}. "$or" beside them is a list of such objects,
// one of which holds. A name with dots leads to a nested field, or to an element of an array. _id,
// _createdAt and _updatedAt are fields.
//
// Values compare in one order: missing, null, false, true, numbers, strings by code point, arrays element
// by element, objects by their canonical text. A range matches values of its own kind only.
type Query struct {
	Collection string
	all        []condition   // every one holds
	any        [][]condition // one of these does, if there are any
	order      []orderField
	// Fields are the top-level names that the answer's documents have; nil: all.
	Fields []string
	Limit  int
	Count  bool
	after  *position
}

// condition is what one field must be.
type condition struct {
	field string
	op    string
	value []byte   // of every operator but $in
	in    [][]byte // of $in
}

// The operators of a condition.
const (
	opEqual  = "$eq"
	opIn     = "$in"
	opExists = "$exists"
	opOver   = "$gt"
	opFrom   = "$gte"
	opBelow  = "$lt"
	opUpTo   = "$lte"
)

// ParseQuery reads what a request asks for. It fails with invalid_filter on a where that is not of the
// grammar, with invalid_cursor on a position of another query, and with invalid_message.
func ParseQuery(r *Request) (q Query, err error) {
	q = Query{Collection: r.Collection, Limit: r.Limit, Count: r.Count, Fields: r.Fields}
	if q.Limit == 0 {
		q.Limit = DefaultResults
	}
	if q.Limit > MaxResults {
		return q, Errorf(
			CodeInvalidMessage, "limit is %d; a query answers at most %d documents", q.Limit, MaxResults)
	}
	if len(q.Fields) > MaxFields {
		return q, Errorf(CodeInvalidMessage, "fields has %d names; it may have %d", len(q.Fields), MaxFields)
	}
	if err := q.parseWhere(r.Where); err != nil {
		return q, err
	}
	if q.order, err = parseOrder(r.Order); err != nil {
		return q, err
	}
	if r.After != "" {
		q.after, err = decodePosition(&q, r)
	}
	return q, err
}

func (q *Query) parseWhere(where []byte) (err error) {
	if where == nil {
		return nil
	}
	left := MaxConditions
	for name, value := range Members(where) {
		if unquote(name) != "$or" {
			if q.all, err = parseField(q.all, unquote(name), value, &left); err != nil {
				return err
			}
			continue
		}
		if value[0] != '[' || len(value) == 2 {
			return Errorf(CodeInvalidFilter, "$or must be a list of at least one object")
		}
		for branch := range Elements(value) {
			if len(q.any) == MaxBranches {
				return Errorf(CodeInvalidFilter, "$or has at most %d alternatives", MaxBranches)
			}
			conditions, err := parseBranch(branch, &left)
			if err != nil {
				return err
			}
			q.any = append(q.any, conditions)
		}
	}
	return nil
}

func parseBranch(branch []byte, left *int) (all []condition, err error) {
	if branch[0] != '{' {
		return nil, Errorf(CodeInvalidFilter, "an alternative of $or must be an object of conditions")
	}
	for name, value := range Members(branch) {
		if all, err = parseField(all, unquote(name), value, left); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parseField appends the conditions on one field.
func parseField(all []condition, field string, value []byte, left *int) ([]condition, error) {
	if strings.HasPrefix(field, "$") {
		return nil, Errorf(CodeInvalidFilter,
			"there is no %s here: $or stands at the top of where, operators below a field", short([]byte(field)))
	}
	if err := checkField(field); err != nil {
		return nil, err
	}
	if !operator(value) {
		return appendCondition(all, condition{field: field, op: opEqual, value: value}, left)
	}
	for name, operand := range Members(value) {
		c, err := parseOperator(field, unquote(name), operand)
		if err != nil {
			return nil, err
		}
		if all, err = appendCondition(all, c, left); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func appendCondition(all []condition, c condition, left *int) ([]condition, error) {
	if *left--; *left < 0 {
		return nil, Errorf(CodeInvalidFilter, "a where has at most %d conditions", MaxConditions)
	}
	return append(all, c), nil
}

func checkField(field string) error {
	if field == "" || field == "_rev" || len(field) > MaxStoredName {
		return Errorf(CodeInvalidFilter, "%q is no field that a query can name", short([]byte(field)))
	}
	return nil
}

func parseOperator(field, op string, operand []byte) (condition, error) {
	c := condition{field: field, op: op, value: operand}
	switch op {
	case opEqual:
	case opExists:
		if kindOf(operand) != kindFalse && kindOf(operand) != kindTrue {
			return c, Errorf(CodeInvalidFilter, "$exists takes true or false")
		}
	case opOver, opFrom, opBelow, opUpTo:
		if k := kindOf(operand); k != kindNumber && k != kindString {
			return c, Errorf(CodeInvalidFilter, "%s takes a number or a string", op)
		}
	case opIn:
		if operand[0] != '[' {
			return c, Errorf(CodeInvalidFilter, "$in takes a list of values")
		}
		for value := range Elements(operand) {
			if len(c.in) == MaxValues {
				return c, Errorf(CodeInvalidFilter, "$in has at most %d values", MaxValues)
			}
			c.in = append(c.in, value)
		}
	default:
		return c, Errorf(CodeInvalidFilter,
			"there is no operator %s: use $eq, $in, $gt, $gte, $lt, $lte or $exists", short([]byte(op)))
	}
	return c, nil
}

// Matches reports whether a document is one of those that the query chooses, on whatever page.
func (q *Query) Matches(d *Document) bool {
	if !holdAll(q.all, d) {
		return false
	}
	for _, branch := range q.any {
		if holdAll(branch, d) {
			return true
		}
	}
	return len(q.any) == 0
}

// Filter is equality that every document fulfils which the query matches; nil if the query asks for
// none of a top-level field.
func (q *Query) Filter() *Filter {
	var f Filter
	for _, c := range q.all {
		if c.op == opEqual && !strings.HasPrefix(c.field, "_") && !strings.Contains(c.field, ".") {
			f.Conditions = append(f.Conditions, Condition{c.field, c.value})
		}
	}
	if len(f.Conditions) == 0 {
		return nil
	}
	return &f
}

func holdAll(all []condition, d *Document) bool {
	for i := range all {
		if !all[i].holds(d) {
			return false
		}
	}
	return true
}

func (c *condition) holds(d *Document) bool {
	if c.op == opEqual && c.field[0] != '_' && !bytes.Contains(d.Data, c.value) {
		return false // which costs less than a walk, and most documents do not match
	}
	value := fieldOf(d, c.field)
	switch c.op {
	case opExists:
		return (value != nil) == (kindOf(c.value) == kindTrue)
	case opEqual:
		return bytes.Equal(value, c.value)
	case opIn:
		for _, one := range c.in {
			if bytes.Equal(value, one) {
				return true
			}
		}
		return false
	}
	if value == nil || kindOf(value) != kindOf(c.value) {
		return false
	}
	switch order := compareValues(value, c.value); c.op {
	case opOver:
		return order > 0
	case opFrom:
		return order >= 0
	case opBelow:
		return order < 0
	default:
		return order <= 0
	}
}

// fieldOf is the canonical value of a document's field, nil if it has none.
func fieldOf(d *Document, field string) []byte {
	switch field {
	case "_id":
		return AppendString(nil, d.ID)
	case "_createdAt":
		return quotedTime(d.Created)
	case "_updatedAt":
		return quotedTime(d.Updated)
	}
	value, _ := Lookup(d.Data, field, true)
	return value
}

// Choose is a document with the fields that the query asks for.
func (q *Query) Choose(d *Document) Document {
	chosen := *d
	if q.Fields == nil {
		return chosen
	}
	chosen.Data = buildObject(func(add func(name, value []byte)) {
		for name, value := range Members(d.Data) {
			if contains(q.Fields, unquote(name)) {
				add(name, value)
			}
		}
	})
	return chosen
}
