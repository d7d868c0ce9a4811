package store

import "github.com/secondgate/secondgate/protocol"

// AskingForGone is how many calls of Gone are under way in a scope.
func (s *Store) AskingForGone(scope protocol.Scope) int {
	s.gone.mu.Lock()
	defer s.gone.mu.Unlock()
	if last := s.gone.scopes[scope]; last != nil {
		return last.asking
	}
	return 0
}
