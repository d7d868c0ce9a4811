// Package proxy passes every request that is not the gateway's on to the web app that the gateway
// stands in front of.
//
// A request takes this path: the gateway's router finds no door for it → [Handler] adds who asks →
// the web app, whose answer goes back as it comes.
package proxy
