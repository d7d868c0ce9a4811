package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// credentials are the header lines that the clients of a gateway send, by its host; none where nobody asks.
var credentials sync.Map

// credentialOf is what to send to a host.
func credentialOf(host string) string {
	lines, _ := credentials.Load(host)
	text, _ := lines.(string)
	return text
}

// forBench are the flags about tokens that the gateway and the command token share.
func forBench(p *plan) []string {
	return []string{"--jwt-secret-file", p.file("jwt.secret"), "--jwt-issuer", "bench", "--jwt-audience", "bench"}
}

// byToken are the flags of a gateway that asks for tokens. One user makes all the connections and requests,
// so the limits of a user are counted and never reached.
func byToken(p *plan) ([]string, error) {
	secret := strings.Repeat("bench", 10)
	if err := os.WriteFile(p.file("jwt.secret"), []byte(secret), 0o600); err != nil {
		return nil, err
	}
	return append([]string{
		"--auth", "jwt", "--connections-per-user", "100000", "--requests-per-second", "10000000",
		"--bytes-per-second", "2047MiB",
	}, forBench(p)...), nil
}

// useToken has the clients of a server send a token.
func useToken(p *plan, s *server) error {
	u, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	arguments := append([]string{
		"token", "--user", "bench", "--workspace", scope.Workspace + ":owner", "--for", "24h",
	}, forBench(p)...)
	out, err := exec.Command(p.binary, arguments...).Output()
	if err != nil {
		return fmt.Errorf("a token: %w", err)
	}
	credentials.Store(u.Host, "Authorization: Bearer "+strings.TrimSpace(string(out))+"\r\n")
	return nil
}
