package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const operatorsToken = "a canary that only operators know, 32+"

// TestAdminToken: what tells of the inside needs the token, and the probes do not.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	file := writeFile(t, strings.ReplaceAll(operatorsToken, " ", "-")+"\n")
	o := operate(t, nil, "--admin-token-file", file)
	token := strings.ReplaceAll(operatorsToken, " ", "-")
	inside := []string{
		"/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/symbol", "/nothing",
	}
	for _, path := range inside {
		for name, headers := range map[string][]string{
			"none": nil, "empty": {""}, "scheme alone": {"Bearer"}, "no scheme": {token},
			"another scheme": {"Basic " + token},
			"shorter":        {"Bearer " + token[1:]}, "longer": {"Bearer " + token + "x"},
			"two": {"Bearer " + token, "Bearer " + token},
		} {
			status, body := o.asOperator(path, headers)
			require.Equal(t, http.StatusUnauthorized, status, "%s: %s", path, name)
			require.Contains(t, body, "--admin-token-file")
		}
	}
	for path, want := range map[string]int{"/metrics": 200, "/debug/pprof/": 200, "/nothing": 404} {
		for _, header := range []string{"Bearer " + token, "bearer  " + token} {
			status, _ := o.asOperator(path, []string{header})
			require.Equal(t, want, status, path)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		status, _ := o.asOperator(path, nil)
		require.Equal(t, http.StatusOK, status, path)
	}
	require.NotContains(t, o.log.String(), "canary")
	out, err := secondgate(t, nil, "healthcheck", "--admin", o.admin)
	require.NoError(t, err, out)
}

// asOperator asks the admin address with these Authorization headers, following no redirect.
func (o *operated) asOperator(path string, authorization []string) (int, string) {
	o.Helper()
	q, err := http.NewRequest(http.MethodGet, o.admin+path, nil)
	require.NoError(o, err)
	q.Header["Authorization"] = authorization
	answer, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(o, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(o, err)
	return answer.StatusCode, strings.TrimSpace(string(body))
}

// TestNotReadyWithoutReason: only operators are told why.
func TestNotReadyWithoutReason(t *testing.T) {
	t.Parallel()
	file := writeFile(t, strings.Repeat("s", 32))
	o := operate(t, nil, "--admin-token-file", file, "--drain-delay", "24h")
	o.terminate()
	require.Eventually(t, func() bool {
		status, body := o.asOperator("/readyz", nil)
		return status == http.StatusServiceUnavailable && body == `{"status":"not ready"}`
	}, time.Minute, 10*time.Millisecond, "without the token /readyz fails, and says no more")
	_, body := o.asOperator("/readyz", []string{"Bearer " + strings.Repeat("s", 32)})
	require.Contains(t, body, "the gateway is stopping")
}

// TestAdminTokenRefusals: an admin address beyond loopback needs a token, and a token must be one.
func TestAdminTokenRefusals(t *testing.T) {
	t.Parallel()
	for says, flags := range map[string][]string{
		"pass --admin-token-file":           {"--admin", "0.0.0.0:0", "--non-loopback"},
		"it needs at least 32":              {"--admin-token-file", writeFile(t, "canary")},
		"no header can carry":               {"--admin-token-file", writeFile(t, operatorsToken)},
		"--admin-token-file cannot be read": {"--admin-token-file", "canary-" + strings.Repeat("s", 40)},
		"the file of --jwt-secret-file cannot be": append(
			[]string{"--auth", "jwt", "--jwt-secret-file", "canary"}, forTokens...),
	} {
		arguments := append([]string{
			"serve", "--listen", "127.0.0.1:0", "--backend", "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		}, flags...)
		if !strings.Contains(says, "pass --admin") {
			arguments = append(arguments, "--admin", "127.0.0.1:0")
		}
		out, err := secondgate(t, nil, arguments...)
		require.Error(t, err, flags)
		require.Contains(t, out, says, flags)
		require.NotContains(t, out, "canary", flags)
	}
	o := operate(t, nil, "--admin", "0.0.0.0:0", "--admin-token-file", writeFile(t, strings.Repeat("s", 32)))
	require.NotEmpty(t, o.first, "with a token it starts")
}

// TestAdminTokenBehindGuard: the token does not open the address to pages.
func TestAdminTokenBehindGuard(t *testing.T) {
	t.Parallel()
	h := (&admin{}).handler()
	r := httptest.NewRequest(http.MethodGet, "http://evil.example/metrics", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
}
