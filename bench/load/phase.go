package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// phase is a time in which all workers send: the warm-up, or the measurement. It starts and ends with nothing on its
// way, so that processor time and requests belong to each other exactly.
type phase struct {
	record bool
	stop   atomic.Bool
	done   atomic.Int64
	due    chan time.Time
}

// next gives when the next request is due; its time counts from there.
func (p *phase) next() (time.Time, bool) {
	if p.stop.Load() {
		return time.Time{}, false
	}
	if p.due == nil {
		return time.Now(), true
	}
	at, ok := <-p.due
	return at, ok && !p.stop.Load()
}

// play runs a phase for a duration, and on until a number of requests is answered, but never ten times as long.
func play(workers []*worker, rate float64, duration time.Duration, minimum int, record bool) time.Duration {
	p := &phase{record: record}
	var ticking sync.WaitGroup
	if rate > 0 {
		p.due = make(chan time.Time, 1<<20)
		ticking.Go(func() { tick(rate, p) })
	}
	begin := time.Now()
	var working sync.WaitGroup
	for _, each := range workers {
		working.Go(func() { each.run(p) })
	}
	time.Sleep(duration)
	for p.done.Load() < int64(minimum) && time.Since(begin) < 10*duration {
		time.Sleep(10 * time.Millisecond)
	}
	p.stop.Store(true)
	ticking.Wait()
	working.Wait()
	return time.Since(begin)
}
