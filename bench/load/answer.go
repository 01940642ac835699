package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

type answer struct {
	status int
	body   int
	total  int
	closes bool
}

var errMalformed = errors.New("malformed answer")

// readAnswer reads one answer and throws its body away.
func readAnswer(reader *bufio.Reader, head bool) (answer, error) {
	var got answer
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return got, err
	}
	if len(line) < 12 {
		return got, errMalformed
	}
	got.total = len(line)
	if got.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return got, errMalformed
	}
	length, chunked := -1, false
	for {
		line, err = reader.ReadSlice('\n')
		if err != nil {
			return got, err
		}
		got.total += len(line)
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(":")); {
		case equal(name, "content-length"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return got, errMalformed
			}
		case equal(name, "transfer-encoding"):
			chunked = equal(bytes.TrimSpace(value), "chunked")
		case equal(name, "connection"):
			got.closes = equal(bytes.TrimSpace(value), "close")
		}
	}
	switch {
	case head || got.status == 204 || got.status == 304:
		return got, nil
	case chunked:
		got.body, err = discardChunks(reader)
	case length >= 0:
		got.body, err = reader.Discard(length)
	default:
		var size int64
		size, err = io.Copy(io.Discard, reader)
		got.body, got.closes = int(size), true
	}
	got.total += got.body
	return got, err
}

func equal(text []byte, name string) bool { return bytes.EqualFold(text, []byte(name)) }

func discardChunks(reader *bufio.Reader) (int, error) {
	total := 0
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return total, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return total, errMalformed
		}
		if size == 0 {
			return total, discardTrailers(reader)
		}
		if _, err := reader.Discard(int(size) + 2); err != nil {
			return total, err
		}
		total += int(size)
	}
}

func discardTrailers(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}
