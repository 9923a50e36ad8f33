package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// entry says what to run; the preparing container wrote it.
type entry struct {
	Command        string   `json:"command"`
	Cwd            string   `json:"cwd"`
	Log            string   `json:"log"`
	Exit           string   `json:"exit"`
	TimeoutSeconds *float64 `json:"timeout_seconds"`
	GraceSeconds   float64  `json:"grace_seconds"`
	Shell          []string `json:"shell"`
}

func readEntry(path string) (*entry, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("what to run is not known: %w", err)
	}
	read := &entry{GraceSeconds: 30, Shell: []string{"bash", "-c"}}
	if err := json.Unmarshal(raw, read); err != nil {
		return nil, fmt.Errorf("what to run cannot be understood: %s: %w", path, err)
	}
	if read.Log == "" || read.Exit == "" {
		return nil, fmt.Errorf("what to run cannot be understood: %s names no log or no exit file", path)
	}
	if len(read.Shell) == 0 {
		read.Shell = []string{"bash", "-c"}
	}
	return read, nil
}

func (e *entry) runFile(name string) string { return filepath.Join(filepath.Dir(e.Exit), name) }

type outcome struct {
	code    int
	signal  int
	reason  string
	err     string
	started time.Time
}

// record is the exit file. Its space is taken at the start, so that a full disk cannot keep the
// command's code from being known.
type record struct {
	path, spare string
	file        *os.File
}

const recordSize = 4096

func newRecord(path string) *record {
	made := &record{path: path, spare: path + ".new"}
	file, err := os.OpenFile(made.spare, os.O_CREATE|os.O_TRUNC|os.O_RDWR|syscall.O_CLOEXEC, 0o664)
	if err != nil {
		return made
	}
	_, _ = file.Write(bytes.Repeat([]byte(" "), recordSize))
	made.file = file
	return made
}

func (r *record) write(result outcome, logBytes int64) error {
	content := map[string]any{
		"code": result.code, "signal": nil, "reason": result.reason, "error": nil,
		"started": stamp(result.started), "ended": stamp(time.Now()), "log_bytes": logBytes,
	}
	if result.signal != 0 {
		content["signal"] = result.signal
	}
	if result.err != "" {
		content["error"] = result.err
	}
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if r.file == nil {
		return replaceFile(r.path, raw)
	}
	defer r.file.Close()
	if _, err := r.file.WriteAt(raw, 0); err != nil {
		return err
	}
	if err := r.file.Truncate(int64(len(raw))); err != nil {
		return err
	}
	return os.Rename(r.spare, r.path)
}

func replaceFile(path string, raw []byte) error {
	if err := os.WriteFile(path+".new", raw, 0o664); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func stamp(moment time.Time) string { return moment.UTC().Format("2006-01-02T15:04:05.000000Z") }

// holdLock keeps a lock for as long as this process lives: whoever can take it knows that we have
// ended, even when the kernel killed us and no exit file was written.
func holdLock(path string) *os.File {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o664)
	if err != nil {
		return nil
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	return file
}
