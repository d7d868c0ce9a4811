package access

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

var noLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// keyServer serves a set of keys.
type keyServer struct {
	*httptest.Server
	asked atomic.Int64
	// elsewhere has the server redirect to where its keys are.
	elsewhere bool
	set       atomic.Pointer[[]byte]
}

func serveKeys(t *testing.T) *keyServer {
	s := &keyServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		set := s.set.Load()
		if s.elsewhere && r.URL.Path == "/" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write(*set)
	}))
	t.Cleanup(s.Close)
	return s
}

// publish has the server serve keys by their ids.
func (s *keyServer) publish(t *testing.T, keys map[string]any) {
	t.Helper()
	var set jwkset.JWKSMarshal
	for id, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{KID: id}, Marshal: jwkset.JWKMarshalOptions{Private: true},
		})
		require.NoError(t, err)
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	text, err := json.Marshal(set)
	require.NoError(t, err)
	s.set.Store(&text)
}

func (s *keyServer) fetch(t *testing.T) *JWKS {
	t.Helper()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	keys, err := FetchJWKS(t.Context(), u, false, noLog)
	require.NoError(t, err)
	return keys
}

func byKey(t *testing.T, method jwt.SigningMethod, key any, id string) string {
	return signed(t, method, key, map[string]any{"kid": id}, good())
}

// TestRemoteKeys are fetched once, again for a key's id that is not known, and not for a flood of those.
// A key that was withdrawn does not count any more.
func TestRemoteKeys(t *testing.T) {
	t.Parallel()
	k := newPrivate(t)
	s := serveKeys(t)
	s.publish(t, map[string]any{"1": k.p256.Public(), "oct": []byte("a secret of at least thirty-two bytes"),
		"weak": k.weak.Public()})
	keys := s.fetch(t)
	for range 20 {
		_, refused := verify(keys, byKey(t, jwt.SigningMethodES256, k.p256, "1"))
		require.Nil(t, refused)
	}
	require.EqualValues(t, 1, s.asked.Load())
	for what, token := range map[string]string{
		"a secret of the set": byKey(t, jwt.SigningMethodHS256,
			[]byte("a secret of at least thirty-two bytes"), "oct"),
		"the id of another key":   byKey(t, jwt.SigningMethodEdDSA, k.ed, "1"),
		"a key that is too short": byKey(t, jwt.SigningMethodRS256, k.weak, "weak"),
		"no id":                   signed(t, jwt.SigningMethodES256, k.p256, nil, good()),
		"an id that is no text":   signed(t, jwt.SigningMethodES256, k.p256, map[string]any{"kid": 1}, good()),
		"an algorithm without the key": signed(t, jwt.SigningMethodRS256, k.rsa, map[string]any{"kid": "1"},
			good()),
	} {
		_, refused := verify(keys, token)
		require.NotNil(t, refused, what)
		require.Equal(t, protocol.CodeUnauthorized, refused.Code, what)
	}

	s.publish(t, map[string]any{"2": k.ed.Public()})
	_, refused := verify(keys, byKey(t, jwt.SigningMethodEdDSA, k.ed, "2"))
	require.Nil(t, refused)
	_, refused = verify(keys, byKey(t, jwt.SigningMethodES256, k.p256, "1"))
	require.NotNil(t, refused)
	for range 200 {
		_, refused := verify(keys, byKey(t, jwt.SigningMethodEdDSA, k.ed, "flood"))
		require.NotNil(t, refused)
	}
	require.EqualValues(t, 2, s.asked.Load())
}

// TestRemoteKeysThatCannotBeHad: nobody can say whether a token is good, so the client may try again. The
// gateway follows no redirect to them.
func TestRemoteKeysThatCannotBeHad(t *testing.T) {
	t.Parallel()
	k := newPrivate(t)
	s := serveKeys(t)
	s.publish(t, map[string]any{"1": k.ed.Public()})
	s.elsewhere = true
	keys := s.fetch(t)
	_, refused := verify(keys, byKey(t, jwt.SigningMethodEdDSA, k.ed, "1"))
	require.NotNil(t, refused)
	require.Equal(t, protocol.CodeUnavailable, refused.Code)
	_, err := FetchJWKS(t.Context(), &url.URL{Scheme: "%"}, false, noLog)
	require.Error(t, err, "a URL that can never be asked")
}

// TestPrivateAddresses are not dialled for a name, but where the operator names them.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1:80", "127.9.9.9:80", "10.0.0.1:80", "172.16.0.1:80", "192.168.1.1:80", "169.254.169.254:80",
		"100.64.0.1:80", "0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[::1]:80", "[::]:80", "[fe80::1]:80",
		"[fc00::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:169.254.169.254]:80", "[ff02::1]:80", "nonsense",
	} {
		require.Error(t, refusePrivate("tcp", address, nil), address)
	}
	for _, address := range []string{"93.184.216.34:443", "[2606:2800:220:1::1]:443"} {
		require.NoError(t, refusePrivate("tcp", address, nil), address)
	}
	s := serveKeys(t)
	s.publish(t, nil)
	_, port, _ := splitHost(s.URL)
	ask := func(address string, private bool) error {
		u, err := url.Parse(address)
		require.NoError(t, err)
		answer, err := Client(u, private, 10*time.Second).Get(address)
		if err == nil {
			require.NoError(t, answer.Body.Close())
		}
		return err
	}
	require.NoError(t, ask(s.URL, false))
	require.NoError(t, ask("http://localhost:"+port, false))
	require.ErrorContains(t, ask("http://LOCALHOST:"+port, false), "private address", "a name that is looked up")
	require.NoError(t, ask("http://LOCALHOST:"+port, true))
}

func splitHost(address string) (host, port string, err error) {
	u, err := url.Parse(address)
	return u.Hostname(), u.Port(), err
}

// TestAnswersAreBounded: however many credentials come, and for how long the web app is away.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var a answers
	ask := func() (Principal, *protocol.Error) { return Principal{ID: "u"}, nil }
	for i := range maxAnswers + 500 {
		key := answerKey{credential: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}
		p, refused := a.get(t.Context(), key, ask)
		require.Nil(t, refused)
		require.Equal(t, "u", p.ID)
	}
	require.LessOrEqual(t, len(a.known), maxAnswers)
	key := answerKey{credential: [32]byte{31: 1}}
	asked := 0
	for range 3 {
		_, refused := a.get(t.Context(), key, func() (Principal, *protocol.Error) {
			asked++
			return Principal{},
				errAway()
		})
		require.Equal(t, protocol.CodeUnavailable, refused.Code)
	}
	require.Equal(t, 3, asked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, refused := a.get(ctx, answerKey{credential: [32]byte{31: 2}}, func() (Principal, *protocol.Error) {
		<-t.Context().Done()
		return Principal{}, nil
	})
	require.Equal(t, protocol.CodeUnavailable, refused.Code)
}
