package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// growthGoal is the most that each doubling of a dimension may multiply a request's time by.
	growthGoal = 2.2
	doublings  = 3
	// repeats is how often each size is timed. The least time counts: other work only adds.
	repeats = 7
)

// dimension is one size that a request's time depends on.
type dimension struct {
	name  string
	first int // the least size; it is doubled doublings times
	// grow brings the database from a size to the next; nil for nothing.
	grow func(w *world, from, to int) error
	// ask is what is timed, with the size.
	ask func(w *world, n int) error
}

// benchGrowth doubles each dimension of each request and prints how its time grows.
func benchGrowth(p *plan) error {
	server, err := startServer(p)
	if err != nil {
		return err
	}
	fmt.Printf("Time of a request as one dimension doubles, %s (least of %d)\n", p.over.name, repeats)
	fmt.Printf("  %-44s %-26s %-24s %-18s %s\n", "", "sizes", "ms", "per doubling", "mean")
	for i := range dimensions {
		if err = dimensions[i].measure(server.url); err != nil {
			err = fmt.Errorf("%s: %w", dimensions[i].name, err)
			break
		}
	}
	fmt.Println()
	return errors.Join(err, server.stop())
}

func (d *dimension) measure(base string) error {
	w, err := newWorld(base)
	if err != nil {
		return err
	}
	defer w.close()
	var sizes, times, ratios []string
	size, first, before, worst := 0, 0.0, 0.0, 0.0
	for next := d.first; next <= d.first<<doublings; next *= 2 {
		if d.grow != nil {
			if err := d.grow(w, size, next); err != nil {
				return err
			}
		}
		size = next
		took, err := d.least(w, size)
		if err != nil {
			return err
		}
		if before > 0 {
			worst = max(worst, took/before)
			ratios = append(ratios, fmt.Sprintf("%.2f", took/before))
		}
		first, before = cmp.Or(first, took), took
		sizes, times = append(sizes, fmt.Sprint(size)), append(times, digits(took))
	}
	verdict, mean := "met", math.Pow(before/first, 1./doublings)
	if worst > growthGoal {
		verdict = "MISSED"
	}
	fmt.Printf("  %-44s %-26s %-24s %-18s %-5.2f goal <= %v %s\n", d.name, strings.Join(sizes, ", "),
		strings.Join(times, ", "), strings.Join(ratios, ", "), mean, growthGoal, verdict)
	return nil
}

// least is the least time of a request, in ms.
func (d *dimension) least(w *world, n int) (float64, error) {
	least := 0.0
	for i := range repeats {
		begin := time.Now()
		if err := d.ask(w, n); err != nil {
			return 0, err
		}
		if took := time.Since(begin).Seconds() * 1e3; i == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

// refused is the error of an answer, if it has one.
func refused(answer []byte) error {
	if _, after, ok := bytes.Cut(answer, []byte(`"error":{`)); ok {
		return fmt.Errorf("refused: %.200s", after)
	}
	return nil
}
