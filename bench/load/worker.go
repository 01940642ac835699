package main

import (
	"bufio"
	"fmt"
	"net"
	"time"
)

// worker is one connection, opened again where it is lost. It is used by one goroutine at a time.
type worker struct {
	*options
	connection net.Conn
	reader     *bufio.Reader
	times      []time.Duration
	bytes      int64
	errors     map[string]int
}

// run sends requests until the phase is over; every request that was sent is waited for.
func (w *worker) run(p *phase) {
	for {
		begin, ok := p.next()
		if !ok {
			return
		}
		got, err := w.ask()
		if err == nil {
			err = w.check(got)
		}
		took := time.Since(begin)
		if err != nil {
			w.errors[err.Error()]++
		} else if p.record {
			w.times = append(w.times, took)
			w.bytes += int64(got.total)
		}
		p.done.Add(1)
	}
}

func (w *worker) ask() (answer, error) {
	if w.connection == nil {
		connection, err := w.dial()
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			return answer{}, err
		}
		w.connection, w.reader = connection, bufio.NewReaderSize(connection, 1<<16)
	}
	_, err := w.connection.Write(w.request)
	var got answer
	if err == nil {
		got, err = readAnswer(w.reader, w.head)
	}
	if err != nil || got.closes {
		_ = w.connection.Close()
		w.connection = nil
	}
	return got, err
}

func (w *worker) check(got answer) error {
	if got.status != w.status {
		return fmt.Errorf("status %d", got.status)
	}
	return nil
}
