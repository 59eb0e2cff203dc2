package services

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// confined installs for an account that owns nothing yet, enrols as root afterwards, and wants the agent to run
// under that account, as another customer's.
func (s *scene) confined(ctx context.Context, c *container) error {
	install := []string{"install", "--config", linuxSettings, "--account"}
	if err := errors.Join(
		c.refuses(ctx, []string{"jens is not known", "useradd"}, append(install, "jens")...),
		c.shell(ctx, "useradd --system --user-group portalsync; mv /etc/portalsync/state /etc/portalsync/before"),
		c.refuses(ctx, []string{"portalsync may not read the settings file", "chgrp"}, append(install, "portalsync")...),
		c.shell(ctx, `chgrp -R portalsync /etc/portalsync; chmod -R g+rX /etc/portalsync; chown -R portalsync '`+linuxMain+`'`),
		c.service(ctx, append(install, "portalsync")...),
		c.service(ctx, "start"),
		c.state(ctx, "waiting"),
		s.enrol(ctx, c.machine, linuxSettings, "account", "Skovens Tømrer ApS"),
		c.is(ctx, "the agent to follow", func(st status) bool { return st.State == "running" && st.Agent.Capture.State == "following" }),
		s.arrived(ctx),
	); err != nil {
		return err
	}
	st, err := c.status(ctx)
	if err != nil {
		return err
	}
	for _, path := range []string{"/proc/" + strconv.Itoa(st.Process), filepath.Dir(linuxSettings) + "/state/identity.json"} {
		owner, err := c.run(ctx, "", "stat", "--format=%U", path)
		if err != nil || strings.TrimSpace(owner) != "portalsync" {
			return errors.Join(err, fmt.Errorf("%s belongs to %q, not to portalsync", path, owner))
		}
	}
	return errors.Join(c.exposed(ctx, 20), c.service(ctx, "stop"))
}

func (c *container) shell(ctx context.Context, script string) error {
	_, err := c.run(ctx, "", "sh", "-e", "-c", script)
	return err
}
