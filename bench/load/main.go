// Command load sends one HTTP/1.1 request over and over on kept-alive connections, and tells how that went.
//
// With -rate 0 each connection sends its next request as soon as the last is answered; otherwise requests are due at a
// fixed rate, and the time of one is counted from when it was due, so that a stall is not hidden by the requests that
// were never sent. Every answer's status is checked. The result is one JSON object on standard output.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

type options struct {
	address  string
	secure   bool
	request  []byte
	head     bool
	status   int
	duration time.Duration
}

// result is what is printed; times are microseconds.
type result struct {
	Requests   int            `json:"requests"`
	Seconds    float64        `json:"seconds"`
	Rate       float64        `json:"rate"`
	Bytes      int64          `json:"bytes"`
	CPU        float64        `json:"cpu_us"`
	OwnCPU     float64        `json:"load_cpu_us"`
	Latency    percentiles    `json:"latency_us"`
	Connection int            `json:"connections"`
	Idle       int            `json:"idle"`
	IdleLost   int            `json:"idle_lost"`
	Errors     map[string]int `json:"errors"`
}

func (o *options) dial() (net.Conn, error) {
	connection, err := net.DialTimeout("tcp", o.address, 10*time.Second)
	if err != nil || !o.secure {
		return connection, err
	}
	// The certificate is the benchmark's own, made for this run.
	client := tls.Client(connection, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	return client, client.Handshake()
}

func main() {
	var o options
	var file, pids string
	var connections, idle, minimum int
	var rate float64
	var warmup time.Duration
	flag.StringVar(&o.address, "address", "", "host:port")
	flag.BoolVar(&o.secure, "tls", false, "speak TLS")
	flag.StringVar(&file, "request", "", "file with the bytes of one request")
	flag.IntVar(&o.status, "status", 200, "the status that every answer must have")
	flag.IntVar(&minimum, "minimum", 0, "requests that are waited for, beyond the duration if need be")
	flag.IntVar(&connections, "connections", 32, "how many at a time")
	flag.IntVar(&idle, "idle", 0, "connections beside those, on each of which one request was answered")
	flag.Float64Var(&rate, "rate", 0, "requests per second; 0 for as many as come")
	flag.DurationVar(&warmup, "warmup", 500*time.Millisecond, "before the measurement")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "of the measurement")
	flag.StringVar(&pids, "pids", "", "processes whose time is counted")
	hold := flag.Bool("hold", false, "send nothing but what opens the connections, and keep them until standard input ends")
	flag.Parse()
	debug.SetGCPercent(1000)

	var err error
	if o.request, err = os.ReadFile(file); err != nil {
		log.Fatal(err)
	}
	o.head = strings.HasPrefix(string(o.request), "HEAD ")
	resting := open(&o, idle)
	if *hold {
		fmt.Println("open", len(resting))
		_, _ = os.Stdin.Read(make([]byte, 1))
		fmt.Println("lost", lost(resting))
		return
	}
	workers := make([]*worker, connections)
	for i := range workers {
		workers[i] = &worker{options: &o, errors: map[string]int{}}
	}
	play(workers, rate, warmup, connections, false)
	processes := numbers(pids)
	before, own := cpu(processes), cpu([]int{os.Getpid()})
	seconds := play(workers, rate, o.duration, minimum, true).Seconds()
	after, ownAfter := cpu(processes), cpu([]int{os.Getpid()})
	gone := lost(resting)

	found := gather(workers)
	found.Seconds, found.Connection, found.Idle, found.IdleLost = seconds, connections, idle, gone
	found.Rate = float64(found.Requests) / seconds
	if found.Requests > 0 {
		found.CPU = (after - before) * 1e6 / float64(found.Requests)
		found.OwnCPU = (ownAfter - own) * 1e6 / float64(found.Requests)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func numbers(text string) []int {
	var found []int
	for _, part := range strings.Split(text, ",") {
		if number, err := strconv.Atoi(part); err == nil {
			found = append(found, number)
		}
	}
	return found
}
