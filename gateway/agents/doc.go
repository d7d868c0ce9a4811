// Package agents is the door for agents and for those who approve them: /api/internal for the workers that
// run agents, agents.json with its approvals for people.
//
// A write of an agent takes this path: [bearer token] → the body → the app and the agent's rights, by
// gateway/approvals → the store, which asks for the rights once more → the answer, in upstream's words.
package agents
