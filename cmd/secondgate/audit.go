package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/gateway/audit"
)

// auditCommand is what an operator does with the audit trail.
type auditCommand struct {
	Verify auditVerify `cmd:"" help:"Compare the rows of the audit trail with the chain that seals them: exit status 0 if all are as they were, 1 if not."`
}

// auditVerify compares rows with their chain.
type auditVerify struct {
	databaseFlags `embed:""`
	Workspace     []string `help:"Workspace to look at; all of them if absent."`
}

// Run prints a line for each workspace, and one for each thing that is wrong.
func (c *auditVerify) Run(ctx context.Context, parsed *kong.Context) (err error) {
	backend, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	workspaces := c.Workspace
	if len(workspaces) == 0 {
		if workspaces, err = audit.Workspaces(ctx, backend); err != nil {
			return err
		}
	}
	wrong := 0
	for _, workspace := range workspaces {
		report, err := audit.Verify(ctx, backend, workspace)
		if err != nil {
			return err
		}
		wrong += len(report.Wrong)
		printReport(parsed.Stdout, report)
	}
	if wrong > 0 {
		return fmt.Errorf("%d rows or blocks are not as they were sealed: somebody has changed the database by hand, "+
			"or it was restored in part", wrong)
	}
	return nil
}

func printReport(w io.Writer, r audit.Report) {
	fmt.Fprintf(w, "workspace %q: %d rows are as they were sealed, %d are not sealed yet, %d have expired",
		r.Workspace, r.Sealed, r.Unsealed, r.Expired)
	if r.Head != "" {
		fmt.Fprintf(w, "; the chain ends with %s", r.Head)
	}
	fmt.Fprintln(w)
	for _, says := range r.Wrong {
		fmt.Fprintf(w, "workspace %q: %s\n", r.Workspace, says)
	}
}
