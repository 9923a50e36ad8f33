package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	couldNotStartCode   = 127
	notExecutableCode   = 126
	setChildSubreaper   = 36 // PR_SET_CHILD_SUBREAPER of prctl(2)
	groupPollEvery      = 10 * time.Millisecond
	fallbackSearchPaths = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
)

type child struct {
	pid     int
	started time.Time
	exited  chan syscall.WaitStatus
	out     *output
}

// start runs the command in a shell, in a process group of its own.
func start(entry *entry, out *output) (*child, error) {
	shell, err := findShell(entry.Shell[0])
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(entry.Cwd); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("the working folder %q is not there", entry.Cwd)
	}
	// Orphans come to us also where we are not the first process (a pod that shares its process namespace).
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, setChildSubreaper, 1, 0, 0, 0, 0)
	writer, err := out.pipe()
	if err != nil {
		return nil, fmt.Errorf("the output cannot be read: %w", err)
	}
	defer writer.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	arguments := append(append([]string{filepath.Base(shell)}, entry.Shell[1:]...), entry.Command)
	pid, err := syscall.ForkExec(shell, arguments, &syscall.ProcAttr{
		Dir:   entry.Cwd,
		Env:   os.Environ(),
		Files: []uintptr{nothing.Fd(), writer.Fd(), writer.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, &startError{shell: shell, err: err}
	}
	made := &child{pid: pid, started: time.Now(), exited: make(chan syscall.WaitStatus, 1), out: out}
	go out.pump()
	go made.reap()
	return made, nil
}

type startError struct {
	shell string
	err   error
}

func (e *startError) Error() string {
	if errors.Is(e.err, syscall.E2BIG) {
		return "the command and its environment variables are too long to be started (limits: 128 KiB each, see execve(2))"
	}
	return fmt.Sprintf("%s could not be started: %v", e.shell, e.err)
}

func startCode(err error) int {
	if errors.Is(err, syscall.EACCES) {
		return notExecutableCode
	}
	var failed *startError
	if errors.As(err, &failed) && errors.Is(failed.err, syscall.EACCES) {
		return notExecutableCode
	}
	return couldNotStartCode
}

func findShell(wanted string) (string, error) {
	for _, name := range []string{wanted, "bash", "sh"} {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
		// PATH may be unset or pointed elsewhere by the job's own environment.
		for _, folder := range strings.Split(fallbackSearchPaths, ":") {
			if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return found, nil
			}
		}
	}
	return "", errors.New("this image has no shell (neither bash nor sh), so the command cannot be run in it; use an image with a shell")
}

func (c *child) announce(path string) error {
	return replaceFile(path, []byte(fmt.Sprintf(`{"started":%q,"pid":%d}`, stamp(c.started), c.pid)))
}

// reap collects the command and every orphan until none is left.
func (c *child) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return
		}
		if pid == c.pid {
			c.exited <- status
		}
	}
}

func (c *child) signal(which syscall.Signal) { _ = syscall.Kill(-c.pid, which) }

// kill ends the group, and what left the group but still descends from us.
func (c *child) kill() {
	c.signal(syscall.SIGKILL)
	for _, pid := range descendants(os.Getpid()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// settle waits for what the command left behind and then ends it.
//
// A command that was told to end keeps the rest of its grace for its children: a shell dies of SIGTERM at
// once while the program under it may still be saving its work.
func (c *child) settle(killAt <-chan time.Time, signals <-chan os.Signal) {
	if killAt == nil {
		select {
		case <-c.out.done:
		case <-time.After(linger):
		case <-c.terminated(signals):
		}
	} else {
		c.waitForGroup(killAt, signals)
	}
	c.kill()
	_ = c.out.reader.SetReadDeadline(time.Now().Add(drain))
	<-c.out.done
}

func (c *child) terminated(signals <-chan os.Signal) <-chan struct{} {
	got := make(chan struct{})
	go func() {
		for received := range signals {
			if received == syscall.SIGTERM {
				close(got)
				return
			}
		}
	}()
	return got
}

func (c *child) waitForGroup(killAt <-chan time.Time, signals <-chan os.Signal) {
	tick := time.NewTicker(groupPollEvery)
	defer tick.Stop()
	for syscall.Kill(-c.pid, 0) == nil {
		select {
		case <-tick.C:
		case received := <-signals:
			c.signal(received.(syscall.Signal))
		case <-killAt:
			return
		}
	}
	select {
	case <-c.out.done:
	case <-killAt:
	case <-time.After(linger):
	}
}

func (c *child) outcome(status syscall.WaitStatus, reason string) outcome {
	result := outcome{code: status.ExitStatus(), reason: reason, started: c.started}
	if status.Signaled() {
		result.signal = int(status.Signal())
		result.code = 128 + result.signal
	}
	return result
}

// descendants lists every process below one, by the parents that /proc tells.
func descendants(root int) []int {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything, so fields are counted from its last parenthesis.
		fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		found = append(found, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return found
}
