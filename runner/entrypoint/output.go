package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	readSize   = 256 << 10
	pipeSize   = 1 << 20
	mirrorSize = 1 << 20
	setPipe    = 1031 // F_SETPIPE_SZ of fcntl(2), which package syscall does not name
)

// output takes what the command prints: every byte to the log file, and to stdout as fast as it is read.
type output struct {
	mu      sync.Mutex
	log     *os.File
	size    int64 // bytes in the log file
	lost    int64 // bytes that the log file did not take
	unsaid  int64 // of those, the ones not yet mentioned in the log
	problem error
	mirror  *mirror
	reader  *os.File
	done    chan struct{}
}

func newOutput(path string, stdout io.Writer) *output {
	out := &output{mirror: newMirror(stdout), done: make(chan struct{})}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_CLOEXEC, 0o664)
	if err != nil {
		out.fail(err)
		return out
	}
	out.log = log
	if info, err := log.Stat(); err == nil {
		out.size = info.Size()
	}
	return out
}

// pipe gives the end that the command writes into; what comes out is pumped until end of file.
func (o *output) pipe() (*os.File, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(ends[1]), setPipe, pipeSize)
	// Only our end may be non-blocking: the command expects writes that block.
	_ = syscall.SetNonblock(ends[0], true)
	o.reader = os.NewFile(uintptr(ends[0]), "output")
	return os.NewFile(uintptr(ends[1]), "output"), nil
}

func (o *output) pump() {
	defer close(o.done)
	buffer := make([]byte, readSize)
	for {
		count, err := o.reader.Read(buffer)
		if count > 0 {
			o.write(buffer[:count])
		}
		if err != nil {
			return
		}
	}
}

func (o *output) write(piece []byte) {
	o.mu.Lock()
	o.store(piece)
	o.mu.Unlock()
	o.mirror.push(piece)
}

// store appends to the log file; the command goes on when the file takes no more.
func (o *output) store(piece []byte) {
	if o.log == nil {
		o.lost += int64(len(piece))
		return
	}
	if o.unsaid > 0 {
		note := fmt.Sprintf("\n[mooring: %d bytes are missing here: %v]\n", o.unsaid, o.problem)
		if count, err := o.log.WriteString(note); err != nil {
			o.size += int64(count)
			o.lost += int64(len(piece))
			o.unsaid += int64(len(piece))
			return
		}
		o.size += int64(len(note))
		o.unsaid = 0
	}
	count, err := o.log.Write(piece)
	o.size += int64(count)
	if err != nil {
		o.lost += int64(len(piece) - count)
		o.unsaid += int64(len(piece) - count)
		o.fail(err)
	}
}

func (o *output) fail(err error) {
	var inner *os.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	if o.problem == nil {
		o.mirror.push([]byte(fmt.Sprintf("mooring: the log file cannot be written: %v\n", err)))
	}
	o.problem = err
}

func (o *output) say(text string) { o.write([]byte("mooring: " + text + "\n")) }

func (o *output) bytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

// close ends the log and says what is wrong with it, if anything.
func (o *output) close() string {
	o.mu.Lock()
	if o.log != nil {
		if err := o.log.Close(); err != nil && o.problem == nil {
			o.fail(err)
		}
		o.log = nil
	}
	problem, lost := o.problem, o.lost
	o.mu.Unlock()
	o.mirror.close(mirrorDrain)
	if problem == nil {
		return ""
	}
	return fmt.Sprintf("the log is not whole: %v (%d bytes lost)", problem, lost)
}

// mirror copies to stdout through a ring of fixed size and leaves out what a slow reader cannot take.
type mirror struct {
	mu      sync.Mutex
	filled  *sync.Cond
	ring    []byte
	start   int
	count   int
	dropped int64
	closed  bool
	idle    chan struct{}
}

func newMirror(target io.Writer) *mirror {
	made := &mirror{ring: make([]byte, mirrorSize), idle: make(chan struct{})}
	made.filled = sync.NewCond(&made.mu)
	go made.copyTo(target)
	return made
}

func (m *mirror) push(piece []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	if m.dropped > 0 && m.count > 0 || len(piece) > len(m.ring)-m.count {
		m.dropped += int64(len(piece))
	} else {
		end := (m.start + m.count) % len(m.ring)
		first := copy(m.ring[end:], piece)
		copy(m.ring, piece[first:])
		m.count += len(piece)
	}
	m.filled.Signal()
}

func (m *mirror) copyTo(target io.Writer) {
	defer close(m.idle)
	piece := make([]byte, 0, 64<<10)
	for {
		piece = m.next(piece[:0])
		if len(piece) == 0 {
			return
		}
		if _, err := target.Write(piece); err != nil {
			m.abandon()
			return
		}
	}
}

// next waits for something to write; nothing means that the mirror was closed.
func (m *mirror) next(piece []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.count == 0 && m.dropped == 0 && !m.closed {
		m.filled.Wait()
	}
	if m.count > 0 {
		size := min(m.count, cap(piece), len(m.ring)-m.start)
		piece = append(piece, m.ring[m.start:m.start+size]...)
		m.start = (m.start + size) % len(m.ring)
		m.count -= size
		return piece
	}
	if m.dropped > 0 {
		piece = fmt.Appendf(piece, "\n[mooring: %d bytes are left out here; the log file has them]\n", m.dropped)
		m.dropped = 0
	}
	return piece
}

func (m *mirror) abandon() {
	m.mu.Lock()
	m.closed, m.count, m.dropped = true, 0, 0
	m.mu.Unlock()
}

func (m *mirror) close(patience time.Duration) {
	m.mu.Lock()
	m.closed = true
	m.filled.Signal()
	m.mu.Unlock()
	select {
	case <-m.idle:
	case <-time.After(patience):
	}
}
