package conformance_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/conformance"
)

func TestRulesAreAddressable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range conformance.Rules() {
		require.Regexp(t, regexp.MustCompile(`^[a-z]+/[a-z0-9-]+$`), r.ID)
		require.False(t, seen[r.ID], r.ID)
		require.False(t, r.Says == "" || strings.HasSuffix(r.Says, "."), r.ID)
		seen[r.ID] = true
	}
	t.Logf("%d rules", len(seen))
	require.Greater(t, len(seen), 100)
}

// quiet is a runner that is no *testing.T, as the binary's is none: it collects what fails.
type quiet struct {
	conformance.T
	failures *[]string
}

func (q quiet) FailNow() { runtime.Goexit() }

func (q quiet) Errorf(format string, args ...any) {
	*q.failures = append(*q.failures, fmt.Sprintf(format, args...))
}

func (q quiet) Run(_ string, f func(quiet)) bool {
	f(q)
	return true
}

// exempting excuses one rule.
type exempting struct {
	conformance.Harness
	rule string
}

func (e exempting) Exempt(rule string) string {
	if rule == e.rule {
		return "it was broken once"
	}
	return ""
}

func TestExemptRulesMustFail(t *testing.T) {
	clean := &modeltest.Harness{Options: model.Options{Seed: 3}}
	holds, fails := []string{}, []string{}
	rules := []conformance.Rule{}
	for _, id := range []string{"writes/update", "outside/rolled-back", "writes/delete"} {
		r, found := conformance.Find(id)
		require.True(t, found, id)
		rules = append(rules, r)
	}
	conformance.Run(quiet{t, &holds}, exempting{clean, "writes/update"}, rules...)
	require.Len(t, holds, 1, "an exemption without need must be reported")
	require.Contains(t, holds[0], "remove its exemption")
	conformance.Run(quiet{t, &fails}, exempting{committing{clean}, "outside/rolled-back"}, rules...)
	require.Empty(t, fails, "an exemption with need must be honoured")
}
