package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// series is one figure over the rounds.
type series []float64

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// String is median [least, most].
func (s series) String() string {
	return fmt.Sprintf("%s [%s, %s]", digits(s.median()), digits(slices.Min(s)), digits(slices.Max(s)))
}

func digits(f float64) string {
	if f >= 100 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// over is the series of ratios, round by round.
func (s series) over(floor series) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = s[i] / floor[i]
	}
	return out
}

// less is the series less a constant, never below 0.
func (s series) less(constant float64) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = max(s[i]-constant, 0)
	}
	return out
}

// goal prints a ratio beside the goal that the project set itself.
func goal(what string, ratio series, atMost bool, limit float64) {
	sign, ok := ">=", ratio.median() >= limit
	if atMost {
		sign, ok = "<=", ratio.median() <= limit
	}
	verdict := "met"
	switch {
	case math.IsNaN(ratio.median()):
		verdict = "not measured: name the server's process by -pid"
	case !ok:
		verdict = "MISSED"
	}
	fmt.Printf("  %-58s %-22s goal %s %-5v %s\n", what, ratio, sign, limit, verdict)
}

// cpu is the time that this process has computed, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // Linux does not fail here
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// cpuOf is the time that another process has computed, in seconds (proc(5), stat).
func cpuOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return float64(user+system) / 100, err // USER_HZ is 100 on Linux
}

// mallocs is how many objects this process has allocated.
func mallocs() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Mallocs)
}
