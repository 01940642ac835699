package main

import (
	"bufio"
	"log"
	"net"
	"time"
)

// open makes connections that rest after one answer.
func open(o *options, count int) []net.Conn {
	resting := make([]net.Conn, 0, count)
	for range count {
		connection, err := o.dial()
		if err != nil {
			log.Fatal(err)
		}
		if _, err := connection.Write(o.request); err != nil {
			log.Fatal(err)
		}
		if _, err := readAnswer(bufio.NewReaderSize(connection, 4096), o.head); err != nil {
			log.Fatal(err)
		}
		resting = append(resting, connection)
	}
	return resting
}

// lost counts those that the gateway has closed.
func lost(resting []net.Conn) int {
	count := 0
	for _, connection := range resting {
		_ = connection.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := connection.Read(make([]byte, 1))
		if failure, ok := err.(net.Error); !ok || !failure.Timeout() {
			count++
		}
	}
	return count
}
