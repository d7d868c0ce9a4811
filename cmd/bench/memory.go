package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// memory watches a process's resident memory, in MiB.
type memory struct {
	pid     int
	closed  chan struct{}
	running sync.WaitGroup

	mu   sync.Mutex
	peak float64
}

func watchMemory(pid int) *memory {
	m := &memory{pid: pid, closed: make(chan struct{})}
	m.running.Go(func() {
		for {
			now := m.now()
			m.mu.Lock()
			m.peak = max(m.peak, now)
			m.mu.Unlock()
			select {
			case <-m.closed:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return m
}

// now is 0 for a process that has ended.
func (m *memory) now() float64 { return statusMiB(m.pid, "VmRSS:") }

func (m *memory) most() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peak
}

// await waits until the memory is down to a goal, for at most limit.
func (m *memory) await(goal float64, limit time.Duration) (took time.Duration, left float64) {
	begin := time.Now()
	for left = m.now(); left > goal && time.Since(begin) < limit; left = m.now() {
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(begin), left
}

func (m *memory) end() {
	close(m.closed)
	m.running.Wait()
}

// statusMiB is a figure of proc(5), status.
func statusMiB(pid int, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), name)
	var kib float64
	_, _ = fmt.Sscan(after, &kib) // stays 0
	return kib / 1024
}
