package access

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestRoles is the table of docs/security.md.
func TestRoles(t *testing.T) {
	for _, c := range []struct {
		workspace, app   string
		published, draft protocol.Code
		in               string
	}{
		{"", "", protocol.CodeAppNotFound, protocol.CodeAppNotFound, ""},
		{"", Creator, protocol.CodeAppNotFound, protocol.CodeAppNotFound, Creator},
		{Member, "", protocol.CodeAppNotFound, protocol.CodeAppNotFound, Member},
		{Member, Viewer, "", protocol.CodeForbidden, Viewer},
		{Member, Collaborator, "", "", Collaborator},
		{Member, Creator, "", "", Creator},
		{Admin, "", "", "", Admin},
		{Admin, Viewer, "", "", Admin},
		{Owner, "", "", "", Owner},
		{Owner, Viewer, "", "", Owner},
	} {
		r := &Roles{Workspaces: map[string]string{}, Apps: map[string]string{}}
		if c.workspace != "" {
			require.True(t, r.addWorkspace(" W ", c.workspace))
		}
		if c.app != "" {
			require.True(t, r.addApp("a", c.app))
		}
		for draft, want := range map[bool]protocol.Code{false: c.published, true: c.draft} {
			s := protocol.Scope{Workspace: "w", App: "a", Draft: draft}
			refused := r.check(s)
			what := fmt.Sprintf("%s/%s, draft %v", c.workspace, c.app, draft)
			if want == "" {
				require.Nil(t, refused, what)
			} else {
				require.NotNil(t, refused, what)
				require.Equal(t, want, refused.Code, what)
			}
			require.Equal(t, c.in, r.In(s), what)
		}
		require.Equal(t, errOutside, r.check(protocol.Scope{Workspace: "v", App: "a"}))
	}
}

// TestAnswersExpire: what a web app said holds for seconds.
func TestAnswersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		asked := 0
		get := func() {
			_, refused := a.get(t.Context(), answerKey{}, func() (Principal, *protocol.Error) {
				asked++
				return Principal{}, nil
			})
			require.Nil(t, refused)
		}
		for range 10 {
			get()
		}
		require.Equal(t, 1, asked)
		time.Sleep(answerTime + time.Millisecond)
		get()
		require.Equal(t, 2, asked)
	})
}

// TestAnswersThatAreOverMakeRoom before any that still hold.
func TestAnswersThatAreOverMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		get := func(i int) {
			key := answerKey{credential: [32]byte{byte(i), byte(i >> 8)}}
			_, refused := a.get(t.Context(), key, func() (Principal, *protocol.Error) { return Principal{}, nil })
			require.Nil(t, refused)
		}
		for i := range maxAnswers - 1 {
			get(i)
		}
		time.Sleep(answerTime + time.Millisecond)
		get(maxAnswers)
		require.Len(t, a.known, maxAnswers)
		get(maxAnswers + 1)
		require.Len(t, a.known, 2, "those that hold")
	})
}
