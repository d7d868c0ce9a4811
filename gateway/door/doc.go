// Package door holds what the doors share: the [Env] they work in, the [Registry] that admits and
// drains connections, the [Quotas] of users and addresses, how a request names its scope, and how
// refusals and long bodies are written.
//
// A door (packages ws, sse and rest) reads a request, asks Env.Mode who it is from and Env.Quotas
// whether that is too much, hands both to Env.Store and writes the answer. Doors never import each
// other, and none has a Backend.
package door
