package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type percentiles struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func gather(workers []*worker) result {
	var all []time.Duration
	found := result{Errors: map[string]int{}}
	for _, each := range workers {
		all = append(all, each.times...)
		found.Bytes += each.bytes
		for text, count := range each.errors {
			found.Errors[text] += count
		}
	}
	found.Requests = len(all)
	found.Latency = summary(all)
	return found
}

// summary gives exact percentiles: the smallest time that so many do not exceed.
func summary(times []time.Duration) percentiles {
	if len(times) == 0 {
		return percentiles{}
	}
	slices.Sort(times)
	var sum time.Duration
	for _, each := range times {
		sum += each
	}
	at := func(share float64) float64 {
		index := max(0, min(len(times)-1, int(share*float64(len(times))+0.999999)-1))
		return float64(times[index]) / 1e3
	}
	return percentiles{float64(sum) / float64(len(times)) / 1e3, at(0.5), at(0.9), at(0.99), at(0.999), at(1)}
}

// cpu gives the seconds of processor time, user and system, that processes have used: fields 14 and 15 of
// /proc/PID/stat, in ticks of 10 ms.
func cpu(processes []int) float64 {
	ticks := 0
	for _, process := range processes {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
		if err != nil {
			continue
		}
		text := string(data)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		for _, field := range fields[11:13] {
			number, _ := strconv.Atoi(field)
			ticks += number
		}
	}
	return float64(ticks) / 100
}
