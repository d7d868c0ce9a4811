package access

import (
	"context"
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

// Operation is what an agent does with the documents of a collection.
type Operation string

// The operations.
const (
	OpRead   Operation = "read"
	OpInsert Operation = "insert"
	OpUpdate Operation = "update"
	OpUpsert Operation = "upsert"
	OpDelete Operation = "delete"
)

// operations are all of them, in the order in which people are told them.
var operations = []Operation{OpRead, OpInsert, OpUpdate, OpUpsert, OpDelete}

// OperationSet is a set of operations.
type OperationSet uint8

// AllOperations has all of them.
const AllOperations OperationSet = 1<<5 - 1

// With is the set with one more operation. ok is false if there is no such operation.
func (s OperationSet) With(op Operation) (with OperationSet, ok bool) {
	i := slices.Index(operations, op)
	if i < 0 {
		return s, false
	}
	return s | 1<<i, true
}

// Has reports whether an operation is in the set; for none, whether any is.
func (s OperationSet) Has(op Operation) bool {
	with, ok := s.With(op)
	return ok && with == s || op == "" && s != 0
}

// List are the operations in the set.
func (s OperationSet) List() (all []Operation) {
	for _, op := range operations {
		if s.Has(op) {
			all = append(all, op)
		}
	}
	return all
}

// Use is an operation with the documents of a collection. Without an operation it is any that the
// agent may do there.
type Use struct {
	Collection string
	Operation  Operation
}

// Grant is what an agent may do in one scope.
type Grant struct {
	// Hash names the approval.
	Hash string
	// Collections are those that the agent may use, in their order.
	Collections []string
	// Allows returns nil when the agent may do it, and what it is told otherwise.
	Allows func(Use) *protocol.Error
}

// Operations are what the agent may do with the documents of a collection.
func (g *Grant) Operations(collection string) (all []Operation) {
	for _, op := range operations {
		if g.Allows(Use{collection, op}) == nil {
			all = append(all, op)
		}
	}
	return all
}

// Narrowed are the rights of an agent whose credential is for some operations alone (zero: for
// all).
func Narrowed(a Approved, to OperationSet) Approved {
	if to == 0 {
		return a
	}
	return narrowed{a, to}
}

type narrowed struct {
	Approved
	to OperationSet
}

// Grant implements [Approved].
func (n narrowed) Grant(ctx context.Context, s protocol.Scope) (Grant, *protocol.Error) {
	grant, refused := n.Approved.Grant(ctx, s)
	if refused != nil {
		return grant, refused
	}
	allows := grant.Allows
	grant.Allows = func(u Use) *protocol.Error {
		if !n.to.Has(u.Operation) {
			return protocol.Errorf(protocol.CodeForbidden,
				"the agent's token is not for the operation %s: ask for a token that is", u.Operation)
		}
		return allows(u)
	}
	return grant, nil
}
