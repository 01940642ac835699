package main

import (
	"encoding/binary"
	"log"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// tick says when requests are due. A timerfd in Go's poller wakes exactly; time.Sleep would round up to a millisecond.
func tick(rate float64, p *phase) {
	defer close(p.due)
	const monotonic, nonblocking = 1, 0x800
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, nonblocking, 0)
	if errno != 0 {
		log.Fatal(errno)
	}
	interval := time.Duration(float64(time.Second) / rate)
	spec := [2]syscall.Timespec{syscall.NsecToTimespec(int64(interval)), syscall.NsecToTimespec(int64(interval))}
	begin := time.Now()
	_, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		log.Fatal(errno)
	}
	timer := os.NewFile(fd, "timer")
	defer timer.Close()
	buffer := make([]byte, 8)
	for count := uint64(0); !p.stop.Load(); {
		if _, err := timer.Read(buffer); err != nil {
			log.Fatal(err)
		}
		for expired := binary.NativeEndian.Uint64(buffer); expired > 0; expired-- {
			count++
			p.due <- begin.Add(time.Duration(count) * interval)
		}
	}
}
