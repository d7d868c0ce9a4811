package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

var app = protocol.Scope{Workspace: "w", App: "a"}

// TestHookRenews takes another session of the same user, and no other's.
func TestHookRenews(t *testing.T) {
	t.Parallel()
	users := map[string]string{"Bearer one": "ada", "Bearer two": "ada", "Bearer three": "bob"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := users[r.Header.Get("Authorization")]
		if user == "" || r.Header.Get("Cookie") != "a=b" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"user":{"id":"` + user + `"},"workspaceRole":"owner"}`))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	h := NewForward(u, false, noLog)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "a=b")
	r.Header.Set("Authorization", "Bearer one")
	p, refused := h.Identify(r, app)
	require.Nil(t, refused)
	require.Equal(t, "user:ada", p.String())
	p, refused = h.Renew(t.Context(), p, app, "two")
	require.Nil(t, refused)
	require.Nil(t, h.Allow(t.Context(), p, app, Read))
	for _, token := range []string{"three", "four", "two\r\nX: x", string(make([]byte, maxToken+1))} {
		_, refused = h.Renew(t.Context(), p, app, token)
		require.NotNil(t, refused, token)
		require.Equal(t, protocol.CodeUnauthorized, refused.Code)
	}
	other := p
	other.ID = "bob"
	refused = h.Allow(t.Context(), other, app, Read)
	require.NotNil(t, refused)
	require.Equal(t, protocol.CodeUnauthorized, refused.Code)
	_, refused = h.Identify(r, protocol.Scope{})
	require.Nil(t, refused, "the scope's own error comes first")
}

// TestHookThatIsAway: nobody knows, and the log does not name the URL.
func TestHookThatIsAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "a=b")
	malformed := &url.URL{Scheme: "%"}
	for _, h := range []*Hook{
		NewForward(u, false, noLog), NewSecond(u, false, noLog), NewForward(malformed, false, noLog),
	} {
		_, refused := h.Identify(r, app)
		require.NotNil(t, refused)
		require.Equal(t, protocol.CodeUnavailable, refused.Code)
	}
}

// TestNobodyIsAskedForACredential in the mode none.
func TestNobodyIsAskedForACredential(t *testing.T) {
	t.Parallel()
	p, refused := None{}.Identify(nil, app)
	require.Nil(t, refused)
	again, refused := None{}.Renew(t.Context(), p, app, "")
	require.Nil(t, refused)
	require.Equal(t, p, again)
	require.Nil(t, None{}.Allow(t.Context(), p, app, Write))
}

// TestKinds of public keys in a file: certificates and the older form of RSA too.
func TestKinds(t *testing.T) {
	t.Parallel()
	k := newPrivate(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, k.p256.Public(), k.p256)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	text = append(text, pem.EncodeToMemory(&pem.Block{
		Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey),
	})...)
	keys, err := ReadKeys(text)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.IsType(t, &ecdsa.PublicKey{}, keys.(PEM)[0])
	require.Equal(t, elliptic.P256(), keys.(PEM)[0].(*ecdsa.PublicKey).Curve)
	_, err = ReadKeys(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	require.ErrorContains(t, err, "cannot be read")
	set, err := ReadKeys([]byte(`{"keys":[]}`))
	require.NoError(t, err)
	_, refused := verify(set, "x.y.z")
	require.Equal(t, protocol.CodeUnauthorized, refused.Code)
}
