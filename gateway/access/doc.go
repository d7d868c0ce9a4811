// Package access decides who a request is from, what its principal may do, and which hosts and
// pages are served.
//
// A request passes the [Allowlist] first: a page of any site can dial a loopback socket, so Host
// and Origin are exact lists. Then a door asks the [Mode] who it is from, and hands that
// [Principal] to the store with everything that it asks for. The store asks the Mode whether the
// principal may do it. Doors never decide.
//
// A request to follow a scope may carry one of [Tickets] in place of a credential. [Revocations] takes
// back tokens that are still good by themselves.
//
// A connection that lasts has a [Guard], which asks again for as long as it does.
package access
