// Command access-hook is a web app that tells secondgate who a request is from and what they may do:
//
//	secondgate serve --auth forward=http://127.0.0.1:3000/access
//
// docs/security.md has the contract. This one knows two sessions by heart; yours asks its own database.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
)

type user struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type answer struct {
	User          user   `json:"user"`
	WorkspaceRole string `json:"workspaceRole,omitempty"` // owner, admin or member
	AppRole       string `json:"appRole,omitempty"`       // creator, collaborator or viewer
}

var (
	sessions   = map[string]user{"ada-session": {"ada", "Ada"}, "bob-session": {"bob", "Bob"}}
	workspaces = map[string]string{"ada acme": "member", "bob acme": "member"}
	apps       = map[string]string{"ada crm": "creator", "bob crm": "viewer"}
)

func access(w http.ResponseWriter, r *http.Request) {
	session, err := r.Cookie("session")
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	u, known := sessions[session.Value]
	if !known {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	query := r.URL.Query() // version is draft or published: the gateway decides it by the role
	role := workspaces[u.ID+" "+query.Get("workspace")]
	if role == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer{u, role, apps[u.ID+" "+query.Get("app")]})
}

func main() {
	http.HandleFunc("GET /access", access)
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
