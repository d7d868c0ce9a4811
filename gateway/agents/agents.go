package agents

import (
	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/runs"
)

// Door serves agents in an Env.
type Door struct {
	Env       *door.Env
	Approvals *approvals.Approvals
	Requests  *approvals.Requests
	// Runs are those of agents; nil where a web app keeps them.
	Runs *runs.Runs
	// Token is what workers send to the internal doors, empty if there is none: then they are closed,
	// unless Open.
	Token string
	// Open lets everybody who reaches the gateway call the internal doors.
	Open bool
	// AdminsApprove keeps the approval of drafts to owners and admins.
	AdminsApprove bool
}

// Internal adds the paths for workers.
func (d *Door) Internal(r chi.Router) {
	r.Post("/api/internal/app-data-write", d.internal(d.write))
	r.Post("/api/internal/app-data-read", d.internal(d.read))
	if d.Runs != nil {
		r.Post(runs.ReportPath, d.worker(d.report))
		r.Post("/api/internal/agent-run-claim", d.worker(d.claim))
	}
}

// app is the path of an app.
const app = "/api/workspaces/{workspace}/apps/{app}"

// RequestRoutes adds the paths by which people allow the large calls of agents.
func (d *Door) RequestRoutes(r chi.Router) {
	r.Get(app+"/agents/requests", d.call(builders, d.requests))
	r.Post(app+"/agents/requests/{request}", d.call(builders, d.decide))
}

// Routes adds the paths for people that a web app may keep instead.
func (d *Door) Routes(r chi.Router) {
	r.Get(app+"/agents", d.call(anyone, d.showFile))
	r.Patch(app+"/agents", d.call(creators, d.saveFile))
	r.Get(app+"/agents/approval", d.call(anyone, d.showApproval))
	r.Post(app+"/agents/approval", d.call(builders, d.approve))
	r.Delete(app+"/agents/approval", d.call(builders, d.revoke))
	r.Get(app+"/agents/history", d.call(builders, d.history))
	r.Post(app+"/publish", d.call(managers, d.publish))
	r.Post(app+"/agent-runs", d.call(anyone, d.createRun))
	r.Get(app+"/agent-runs", d.call(anyone, d.listRuns))
	r.Get(app+"/agent-runs/usage", d.call(anyone, d.usage))
	r.Get(app+"/agent-runs/{run}", d.call(anyone, d.showRun))
	r.Post(app+"/agent-runs/{run}/stream", d.call(anyone, d.startRun))
	r.Get("/api/workspaces/{workspace}/events", d.events)
}
