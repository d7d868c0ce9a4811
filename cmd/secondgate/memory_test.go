package main

import (
	"errors"
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
)

// TestMemoryIsShared among the budgets, which a gateway takes.
func TestMemoryIsShared(t *testing.T) {
	for _, c := range []struct{ memory, clients, parsing, logs size }{
		{64 * mib, 16 * mib, 256 * kib, 8 * mib},
		{65 * mib, 16*mib + 256*kib, 260 * kib, 8*mib + 128*kib},
		{256 * mib, 64 * mib, mib, 32 * mib},
		{512 * mib, 128 * mib, 2 * mib, 64 * mib},
		{2048 * mib, 512 * mib, 8 * mib, 64 * mib},
		{16384 * mib, 4096 * mib, 8 * mib, 64 * mib},
	} {
		config := gateway.DefaultConfig()
		config.Hosts = []string{"localhost"}
		c.memory.share(&config)
		require.Equal(t, []size{c.clients, c.parsing, c.logs},
			[]size{size(config.MemoryBytes), size(config.ParseBytes), size(config.LogBytes)}, "%v", c.memory)
		require.NoError(t, config.Validate(), "%v", c.memory)
	}
}

// TestMemoryFlag: what is written is what is meant, and what cannot be meant is refused.
func TestMemoryFlag(t *testing.T) {
	for text, want := range map[string]size{
		"64MiB": 64 * mib, "1GiB": 1024 * mib, "1.5GiB": 1536 * mib, "512 mib": 512 * mib,
		"100MB": 100_000_000, "67108864": 64 * mib,
	} {
		c, err := parse(t, "", "--memory", text)
		require.NoError(t, err, text)
		require.Equal(t, want, *c.Memory, text)
	}
	const unit = `the value of --memory cannot be used: write a size with its unit, such as "512MiB"`
	for text, want := range map[string]string{
		"63MiB": "--memory is 63MiB: it must be at least 64MiB",
		"512":   "--memory is 512B: it must be at least 64MiB",
		"0":     "at least 64MiB", "": unit, "much": unit, "512Mi B": unit, "-1GiB": unit, "50%": unit, "NaN": unit,
		"99999999EiB": unit, "15EiB": unit,
	} {
		_, err := parse(t, "", "--memory="+text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := parse(t, `{"memory": 536870912}`)
	require.ErrorContains(t, err, `"memory" to a value of another kind: write a size with its unit`)
	t.Setenv("SECONDGATE_MEMORY", "1GiB")
	c, err := parse(t, `{"memory": "2GiB"}`)
	require.NoError(t, err)
	require.Equal(t, 1024*mib, *c.Memory)
}

// TestDocumentBytesFlag: a frame has room for the largest document, and the memory for frames.
func TestDocumentBytesFlag(t *testing.T) {
	for _, row := range []struct{ text, document, frame string }{
		{"", "1MiB", "4MiB"}, {"1KiB", "1KiB", "4MiB"}, {"3MiB", "3MiB", "4MiB"}, {"4MiB", "4MiB", "5MiB"},
		{"16MiB", "16MiB", "17MiB"},
	} {
		args := []string{"--memory=1GiB"}
		if row.text != "" {
			args = append(args, "--document-bytes="+row.text)
		}
		c, err := parse(t, "", args...)
		require.NoError(t, err, row.text)
		require.Equal(t, row.document, c.DocumentBytes.String())
		require.Equal(t, row.frame, c.DocumentBytes.frame().String())
	}
	for text, want := range map[string]string{
		"17MiB": "--document-bytes is 17MiB: it must be from 1KiB to 16MiB", "16": "is 16B: it must be from 1KiB",
		"0": "from 1KiB", "large": `cannot be used: write a size with its unit, such as "512MiB"`,
		"16MiB": "--document-bytes is 16MiB, which needs a --memory of at least 272MiB: it is 271MiB",
	} {
		_, err := parse(t, "", "--memory=271MiB", "--document-bytes="+text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := parse(t, "", "--memory=272MiB", "--document-bytes=16MiB")
	require.NoError(t, err)
}

// TestMemoryIsHalfOfTheMachine, or of the cgroup where that has less.
func TestMemoryIsHalfOfTheMachine(t *testing.T) {
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	broken := func() (uint64, error) { return 0, errors.New("there is no such file") }
	of := func(s size) memlimit.Provider { return memlimit.Limit(uint64(s)) }
	for _, c := range []struct {
		cgroup, system memlimit.Provider
		want           size
	}{
		{none, of(8192 * mib), 4096 * mib},
		{broken, of(8192 * mib), 4096 * mib},
		{of(1024 * mib), of(8192 * mib), 512 * mib},
		{of(8192 * mib), of(1024 * mib), 512 * mib},
		{memlimit.Limit(math.MaxUint64), of(1024 * mib), 512 * mib},
		{of(1025*mib + 5), none, 512 * mib},
		{of(32 * mib), of(1024 * mib), 64 * mib},
		{none, none, 512 * mib},
	} {
		require.Equal(t, c.want, halfOf(c.cgroup, c.system), "%+v", c)
	}
	c, err := parse(t, "")
	require.NoError(t, err)
	require.GreaterOrEqual(t, *c.Memory, leastMemory)
}

// TestSizesAreShown exactly.
func TestSizesAreShown(t *testing.T) {
	for n, want := range map[size]string{
		0: "0B", 1000: "1000B", 1024: "1KiB", 1536 * kib: "1536KiB", 512 * mib: "512MiB", 2048 * mib: "2GiB",
		4096 * 1024 * mib: "4096GiB",
	} {
		require.Equal(t, want, n.String())
		var again size
		require.NoError(t, again.UnmarshalText([]byte(want)))
		require.Equal(t, n, again)
	}
}

// TestHeapIsLimited for as long as the gateway serves, unless GOMEMLIMIT says otherwise. What sets
// GOGC leaves the limit alone.
func TestHeapIsLimited(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Setenv("GOMEMLIMIT", "")
	restore := limitHeap(777 * mib)
	keepHeap()()
	require.Equal(t, int64(777*mib), debug.SetMemoryLimit(-1))
	restore()
	require.Equal(t, before, debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "1GiB")
	defer limitHeap(777 * mib)()
	require.Equal(t, before, debug.SetMemoryLimit(-1))
}
