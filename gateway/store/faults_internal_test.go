package store

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

type fault struct{ cause error }

func (f fault) Error() string      { return "away" }
func (f fault) HiddenCause() error { return f.cause }
func (f fault) Unwrap() error      { return protocol.Errorf(protocol.CodeUnavailable, "away") }

// TestFaultsAreLoggedOncePerKindAndMinute with their cause and with how many were left out, and all
// are counted.
func TestFaultsAreLoggedOncePerKindAndMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		registry := prometheus.NewRegistry()
		f := newFaults(slog.New(slog.NewTextHandler(&log, nil)), metrics.New(registry))
		full, network := fault{errors.New("disk is full (13)")}, fault{errors.New("read 1.2.3.4:55555: reset")}
		for range 5 {
			f.note("write", full)
			f.note("write", fmt.Errorf("in a batch: %w", network))
		}
		f.note("write", fault{errors.New("read 1.2.3.4:44444: reset")})
		f.note("write", protocol.Errorf(protocol.CodeConflict, "a client's"))
		f.note("write", nil)
		require.Equal(t, 2, strings.Count(log.String(), "the database fails"), log.String())
		require.Contains(t, log.String(), `error="disk is full (13)" left_out=0`)
		log.Reset()
		time.Sleep(faultInterval)
		f.note("write", full)
		f.note("read", full)
		require.Contains(t, log.String(), `operation=write error="disk is full (13)" left_out=4`)
		require.Contains(t, log.String(), `operation=read error="disk is full (13)" left_out=0`)
		require.Equal(t, map[string]float64{"read": 1, "write": 12}, counted(t, registry))
		for i := range 1000 {
			f.note("write", fault{errors.New(strings.Repeat("x", i))})
		}
		require.LessOrEqual(t, len(f.kinds), faultKinds+1)
	})
}

// counted is the metric of faults by operation.
func counted(t *testing.T, r *prometheus.Registry) map[string]float64 {
	families, err := r.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "secondgate_database_faults_total" {
			for _, m := range f.GetMetric() {
				counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return counts
}
