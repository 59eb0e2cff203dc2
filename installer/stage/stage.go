// Package stage puts a receiver and an agent on this machine as what they are at a customer's: separate
// processes, built from this tree, that speak HTTPS with a certificate of a certificate authority.
// The demo and the benchmark stand on it.
package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Programs are the paths of the built programs.
type Programs struct {
	Agent    string
	Receiver string
}

// Build compiles agent and receiver into dir. It needs the Go toolchain and must run within the module.
func Build(ctx context.Context, dir string) (Programs, error) {
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	p := Programs{Agent: filepath.Join(dir, "agent"+suffix), Receiver: filepath.Join(dir, "receiver"+suffix)}
	for pkg, file := range map[string]string{"agent": p.Agent, "receiver": p.Receiver} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", file, "lessor.dk/portalsync/"+pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			return Programs{}, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return p, nil
}

// FreeAddress returns a loopback address that nobody listens on now.
func FreeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// writeSettings makes a settings file.
func writeSettings(dir, name string, settings map[string]any) (string, error) {
	text, err := json.MarshalIndent(settings, "", "  ") // JSON is YAML
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", name, err)
	}
	return write(dir, name, string(text)+"\n")
}

// write makes a file that only we can read.
func write(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return file, nil
}
