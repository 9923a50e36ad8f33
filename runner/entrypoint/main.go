// The entrypoint runs the command of a job as the first process of its container.
//
// It puts the command into a process group of its own, writes what it prints to a log file and to
// stdout, passes signals on, keeps the time limit, collects orphans, and ends with the command's code.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	defaultEntry = "/mooring/run/entry.json"
	// How long background processes may keep the output open once the command itself has ended.
	linger = 2 * time.Second
	// How long what is already in the pipe may take to reach the log after everything was killed.
	drain = time.Second
	// How long a reader of stdout may take for the last bytes; the log file has them in any case.
	mirrorDrain = 2 * time.Second
)

func main() {
	path := defaultEntry
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	os.Exit(run(path))
}

func run(path string) int {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	// A closed stdout must not end us. Not signal.Ignore: the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	entry, err := readEntry(path)
	if err != nil {
		fmt.Fprintf(os.Stdout, "mooring: %v\n", err)
		return couldNotStartCode
	}
	record := newRecord(entry.Exit)
	out := newOutput(entry.Log, os.Stdout)
	lock := holdLock(entry.runFile("alive"))
	defer lock.Close()

	child, err := start(entry, out)
	if err != nil {
		out.say(err.Error())
		return finish(record, out, outcome{code: startCode(err), reason: "could_not_start", err: err.Error(), started: time.Now()})
	}
	if err := child.announce(entry.runFile("started.json")); err != nil {
		out.say(fmt.Sprintf("the start could not be noted: %v", err))
	}
	return finish(record, out, supervise(child, entry, signals, out))
}

// supervise waits for the command and everything it left behind, passing signals on.
func supervise(child *child, entry *entry, signals <-chan os.Signal, out *output) outcome {
	reason := "exited"
	var killAt <-chan time.Time
	var limit <-chan time.Time
	if entry.TimeoutSeconds != nil {
		limit = time.After(seconds(*entry.TimeoutSeconds))
	}
	stop := func(why string) {
		if killAt == nil {
			reason = why
			killAt = time.After(seconds(entry.GraceSeconds))
		}
		child.signal(syscall.SIGTERM)
	}
	for {
		select {
		case received := <-signals:
			if received == syscall.SIGTERM {
				stop("terminated")
			} else {
				child.signal(received.(syscall.Signal))
			}
		case <-limit:
			if killAt == nil {
				out.say(fmt.Sprintf("the time limit of %g seconds is over; ending the command", *entry.TimeoutSeconds))
				stop("timeout")
			}
		case <-killAt:
			killAt = closedTimer
			child.kill()
		case status := <-child.exited:
			child.settle(killAt, signals)
			return child.outcome(status, reason)
		}
	}
}

// A timer that has fired: nothing more may be waited for.
var closedTimer = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

// finish closes the log, then writes the exit file: whoever sees it may rely on the log being whole.
func finish(record *record, out *output, result outcome) int {
	if problem := out.close(); problem != "" && result.err == "" {
		result.err = problem
	}
	if err := record.write(result, out.bytes()); err != nil {
		fmt.Fprintf(os.Stdout, "mooring: the exit code %d could not be noted: %v\n", result.code, err)
	}
	return result.code
}
