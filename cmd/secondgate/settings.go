package main

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// leastHeartbeat and leastRetention are what keeps a mistyped unit from costing all CPU, or all
	// history.
	leastHeartbeat, mostHeartbeat = time.Second, time.Minute
	leastRetention                = time.Minute
)

// AfterApply is called once all flags have their values. It fails on a value that cannot be meant,
// and writes the names of hosts and origins as browsers do.
func (c *serve) AfterApply() (err error) {
	for _, check := range []func() error{
		c.checkAddresses, c.checkDurations, c.checkForward, c.checkKey, c.checkSizes, c.checkAuth, c.checkQuotas,
		c.checkTrail, c.checkAgents,
		c.checkAdminToken, c.checkACME,
		func() error { return each(c.AllowedHost, normalHost, &c.AllowedHost) },
		func() error { return each(c.AllowedOrigin, normalOrigin, &c.AllowedOrigin) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// listenable is what net.Listen takes, and no URL.
var listenable = regexp.MustCompile(
	`^(?:[A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9.-]+)?\]):[0-9]{1,5}$`)

func (c *serve) checkAddresses() error {
	if !listenable.MatchString(c.Listen) {
		return badSetting("the value of --listen is no address: write HOST:PORT, such as 127.0.0.1:8080")
	}
	if c.Admin != "" && !listenable.MatchString(c.Admin) {
		return badSetting("the value of --admin is no address: write HOST:PORT, such as 127.0.0.1:8081")
	}
	if err := checkAddress(c.Backend); err != nil {
		return err
	}
	return checkDirect(c.BackendDirect)
}

func (c *serve) checkDurations() error {
	switch {
	case c.Heartbeat < leastHeartbeat || c.Heartbeat > mostHeartbeat:
		return badSetting("--heartbeat is %v: it must be from %v to %v",
			c.Heartbeat, leastHeartbeat, mostHeartbeat)
	case c.Retention < leastRetention:
		return badSetting("--retention is %v: it must be at least %v, such as 24h",
			c.Retention, leastRetention)
	case c.DrainDelay < 0:
		return badSetting("--drain-delay is %v: it must be 0s or more", c.DrainDelay)
	}
	return nil
}

// checkForward fails on parts of the URL that no request would carry.
func (c *serve) checkForward() error {
	u := c.Forward
	switch {
	case u == nil:
		return nil
	case u.User != nil:
		return badSetting("--forward takes no user and password: " +
			"the web app gets requests as clients send them")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return badSetting("--forward takes no query and no fragment: clients send their own")
	case !plainURL.MatchString(u.String()):
		return badSetting("the value of --forward cannot be used: write a URL such as http://127.0.0.1:3000")
	}
	return nil
}

// longestName is more than the name of a certificate's file has, and less than a key, in bytes.
const longestName = 512

// checkKey fails when the key itself stands where its file's name belongs: the error of a file that
// is not there would print it.
func (c *serve) checkKey() error {
	for _, name := range []string{c.TLSCert, c.TLSKey} {
		if strings.ContainsAny(name, "\r\n") || strings.Contains(name, "-----BEGIN") || len(name) > longestName {
			return badSetting("--tls-cert and --tls-key take the names of files: " +
				"the value is a certificate or a key itself")
		}
	}
	return nil
}

// each replaces the values of a list by their normal forms. It leaves empty values out: an
// environment variable that is set to nothing has one.
func each(values []string, normal func(string) (string, error), into *[]string) error {
	list := []string{}
	for _, value := range values {
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		form, err := normal(value)
		if err != nil {
			return err
		}
		list = append(list, form)
	}
	*into = list
	return nil
}

var aHost = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9._-]*)|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$`)

// normalHost is a Host header as browsers write it, but for the default port, which depends on the
// scheme.
func normalHost(text string) (string, error) {
	host := strings.TrimSuffix(strings.ToLower(text), "/")
	if strings.Contains(host, "://") {
		return "", badSetting("--allowed-host takes a host without a scheme: " +
			"write app.example.com or app.example.com:8443, and origins to --allowed-origin")
	}
	if err := noPattern("--allowed-host", host); err != nil {
		return "", err
	}
	if !isHost(host) {
		return "", badSetting("a value of --allowed-host is no host: " +
			"write app.example.com or app.example.com:8443")
	}
	return host, nil
}

// isHost reports whether a lower-case text is a host as a browser sends it.
func isHost(host string) bool {
	parts := aHost.FindStringSubmatch(host)
	if parts == nil {
		return false
	}
	port, err := strconv.Atoi("0" + parts[1])
	return err == nil && port <= 65535
}

func noPattern(flag, value string) error {
	if strings.Contains(value, "*") {
		return badSetting("%s takes no patterns: name each one, with commas between them", flag)
	}
	return nil
}

// normalOrigin is an Origin header as browsers write it: lower case, no default port, no path.
func normalOrigin(text string) (string, error) {
	origin := strings.ToLower(text)
	if origin == "null" { // that of sandboxed frames
		return origin, nil
	}
	if err := noPattern("--allowed-origin", origin); err != nil {
		return "", err
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || !isHost(u.Host) || u.Path != "" && u.Path != "/" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", badSetting("a value of --allowed-origin is no origin: " +
			"write https://app.example.com, with a port if it is not the scheme's own, and nothing behind it")
	}
	return u.Scheme + "://" + withoutDefaultPort(u.Scheme, u.Host), nil
}

// defaultPorts are those that browsers leave out of Host and Origin.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

func withoutDefaultPort(scheme, host string) string {
	if port, known := defaultPorts[scheme]; known {
		return strings.TrimSuffix(host, ":"+port)
	}
	return host
}
