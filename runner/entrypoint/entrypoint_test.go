package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type blockedWriter struct{ release chan struct{} }

func (b blockedWriter) Write(piece []byte) (int, error) {
	<-b.release
	return len(piece), nil
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(piece []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(piece)
}

func TestTheMirrorNeverBlocksAndSaysWhatItLeftOut(t *testing.T) {
	blocked := blockedWriter{make(chan struct{})}
	made := newMirror(blocked)
	piece := bytes.Repeat([]byte("x"), 100<<10)
	for range 100 {
		made.push(piece)
	}
	made.mu.Lock()
	count, dropped := made.count, made.dropped
	made.mu.Unlock()
	if count > mirrorSize || dropped == 0 {
		t.Fatalf("the ring holds %d bytes and left out %d", count, dropped)
	}
	close(blocked.release)
	made.close(time.Second)
}

func TestTheMirrorKeepsTheOrderAcrossItsEnd(t *testing.T) {
	target := &lockedBuffer{}
	made := newMirror(target)
	var wanted bytes.Buffer
	for number := range 200 {
		piece := bytes.Repeat([]byte{byte(number)}, 30_011)
		for {
			made.mu.Lock()
			free := len(made.ring) - made.count
			made.mu.Unlock()
			if free >= len(piece) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		wanted.Write(piece)
		made.push(piece)
	}
	made.close(5 * time.Second)
	if !bytes.Equal(target.Bytes(), wanted.Bytes()) {
		t.Fatal("what came out is not what went in")
	}
}

func TestTheMirrorEndsWithAReaderThatIsGone(t *testing.T) {
	reader, writer, _ := os.Pipe()
	reader.Close()
	made := newMirror(writer)
	made.push([]byte("x"))
	began := time.Now()
	made.close(5 * time.Second)
	if time.Since(began) > time.Second {
		t.Fatal("it waited for nobody")
	}
}

func TestALogThatTakesNothingIsReported(t *testing.T) {
	target := &lockedBuffer{}
	out := newOutput("/dev/full", target)
	out.write([]byte("hello\n"))
	out.write([]byte("world\n"))
	problem := out.close()
	if !strings.Contains(problem, "no space left on device (12 bytes lost)") {
		t.Fatal(problem)
	}
	if strings.Count(target.String(), "cannot be written") != 1 || out.bytes() != 0 {
		t.Fatalf("%q, %d bytes", target.String(), out.bytes())
	}
}

func TestAHoleInTheLogIsMarkedWhereItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	out := newOutput(path, &lockedBuffer{})
	good := out.log
	out.write([]byte("one\n"))
	out.log, _ = os.OpenFile("/dev/full", os.O_WRONLY, 0)
	out.write([]byte("lost\n"))
	out.log = good
	out.write([]byte("two\n"))
	out.close()
	raw, _ := os.ReadFile(path)
	if string(raw) != "one\n\n[mooring: 5 bytes are missing here: no space left on device]\ntwo\n" {
		t.Fatalf("%q", raw)
	}
	if out.bytes() != int64(len(raw)) {
		t.Fatalf("%d bytes are told of %d", out.bytes(), len(raw))
	}
}

func TestTheExitFileAppearsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exit.json")
	made := newRecord(path)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("it is there before the end")
	}
	spare, _ := os.Stat(path + ".new")
	if spare.Size() != recordSize {
		t.Fatal("no space was taken for it")
	}
	if err := made.write(outcome{code: 137, signal: 9, reason: "exited", started: time.Now()}, 42); err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	raw, _ := os.ReadFile(path)
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if read["code"] != 137.0 || read["signal"] != 9.0 || read["error"] != nil || read["log_bytes"] != 42.0 {
		t.Fatalf("%v", read)
	}
}

func TestAnEntryWithoutALogIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "entry.json")
	_ = os.WriteFile(path, []byte(`{"command":"true"}`), 0o600)
	if _, err := readEntry(path); err == nil || !strings.Contains(err.Error(), "names no log") {
		t.Fatal(err)
	}
}

func TestDescendantsKnowsOurOwnChildren(t *testing.T) {
	process, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = process.Kill(); _, _ = process.Wait() }()
	for _, pid := range descendants(os.Getpid()) {
		if pid == process.Pid {
			return
		}
	}
	t.Fatal("the child is not among them")
}
