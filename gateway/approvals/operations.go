package approvals

import "github.com/secondgate/secondgate/gateway/access"

// Rights are what an agent may do, by collection: what all entries of its id allow together. Names
// are exact; there are no wildcards.
func (m *Manifest) Rights(agent string) map[string]access.OperationSet { return m.allRights()[agent] }

// allRights are those of each agent that has any.
func (m *Manifest) allRights() map[string]map[string]access.OperationSet {
	all := map[string]map[string]access.OperationSet{}
	for a := range m.agents {
		names, _ := a.get("dataCollections").(jsArray)
		id := textOf(a.get("id"))
		for _, n := range names {
			name, isText := n.(jsString)
			may := operationsIn(a, name.text())
			if !isText || may == 0 {
				continue
			}
			if all[id] == nil {
				all[id] = map[string]access.OperationSet{}
			}
			all[id][name.text()] |= may
		}
	}
	return all
}

// operationsIn are those that an entry allows in a collection that it lists. Its dataOperations
// name them. Without it, or without the collection in it, they are all; what cannot be understood
// allows nothing.
func operationsIn(agent jsObject, collection string) (may access.OperationSet) {
	if !agent.has("dataOperations") {
		return access.AllOperations
	}
	of, isObject := agent.get("dataOperations").(jsObject)
	switch {
	case !isObject:
		return 0
	case !of.has(collection):
		return access.AllOperations
	}
	list, _ := of.get(collection).(jsArray)
	for _, v := range list {
		may, _ = may.With(access.Operation(textOf(v)))
	}
	return may
}
