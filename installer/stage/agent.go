package stage

import (
	"context"
	"path/filepath"
	"strings"
)

// Agent is an agent on this machine: its settings, and how to run its commands.
type Agent struct {
	program string
	dir     string
	config  string
}

// AgentSettings say what an Agent reads and where it pushes.
type AgentSettings struct {
	Receiver   string // https://HOST:PORT
	CA         string // PEM file of the authority to trust
	MainSystem string // SQLite file, or sqlserver://USER:PASSWORD@HOST:PORT?database=NAME
	Plan       string // plan file
	Proxy      string // http://HOST:PORT on the way to the receiver; "" is none
	Poll       string // time between two looks, such as 1s; "" is the program's default
}

// NewAgent writes the settings of an agent in dir.
func NewAgent(p Programs, dir string, s AgentSettings) (*Agent, error) {
	kind := "sqlite"
	if strings.HasPrefix(s.MainSystem, "sqlserver:") {
		kind = "sqlserver"
	}
	settings := map[string]any{
		"receiver": s.Receiver, "extra_ca": s.CA, "plan": s.Plan, "state": filepath.Join(dir, "state"),
		"main_system": map[string]string{kind: s.MainSystem},
	}
	for key, value := range map[string]string{"poll": s.Poll, "proxy": s.Proxy} {
		if value != "" {
			settings[key] = value
		}
	}
	file, err := writeSettings(dir, "agent.yaml", settings)
	return &Agent{program: p.Agent, dir: dir, config: file}, err
}

// Enrol gives the agent its identity. The code goes over standard input: a command line is everybody's to read.
func (a *Agent) Enrol(ctx context.Context, code string) error {
	_, err := a.Run(ctx, code+"\n", "enrol")
	return err
}

// Start starts the agent.
func (a *Agent) Start() (*Process, error) {
	return Start("agent", filepath.Join(a.dir, "agent.log"), a.program, "run", "--config", a.config)
}

// Run runs another command of the agent and returns its output. Input is its standard input.
func (a *Agent) Run(ctx context.Context, input string, args ...string) (string, error) {
	return run(ctx, a.program, input, append(args, "--config", a.config)...)
}
