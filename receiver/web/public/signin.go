package public

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/web/ui"
)

// usernameCookie keeps an opaque handle of the username for 30 days, for those who asked for it (L21).
const usernameCookie = "__Host-username"

// SignIn is the data of sign-in.html.
type SignIn struct {
	ui.Frame
	Username string
	Remember bool
	Problem  string // sentence about what is wrong; empty for none
	Return   string // where to go afterwards
	Carried  []Carried
	Resumed  bool // the session ended before a form was sent: what was typed is kept
}

// Carried is one field of a form that waits while its sender signs in again. It rests in the page, so
// that nothing is kept for visitors who never do.
type Carried struct{ Name, Value string }

const carriedPrefix = "carried."

func (p *Pages) signInForm(c *gin.Context, v *ui.Visit) error {
	after := localPath(c.Query("return"))
	if v.User.ID != 0 {
		return ui.Redirect(c, after)
	}
	page := newSignIn(p.ui, v)
	page.Return = after
	if cookie, err := c.Cookie(usernameCookie); err == nil && cookie != "" {
		name, err := p.identity.Remembered(c.Request.Context(), cookie)
		if err != nil {
			return err
		}
		page.Username, page.Remember = name, name != ""
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "sign-in", page)
}

func newSignIn(u *ui.UI, v *ui.Visit) SignIn {
	return SignIn{Frame: u.Frame(v, "sign_in.title", ""), Return: "/"}
}

// Resume shows the sign-in page in place of a form's answer: its session has ended. What was typed
// travels along and is there again after signing in.
func Resume(c *gin.Context, u *ui.UI, v *ui.Visit) error {
	form, err := ui.Form(c)
	if err != nil {
		return err
	}
	page := newSignIn(u, v)
	page.Resumed = true
	for name, values := range form {
		page.Carried = append(page.Carried, Carried{Name: carriedPrefix + name, Value: strings.Join(values, "\n")})
	}
	slices.SortFunc(page.Carried, func(a, b Carried) int { return strings.Compare(a.Name, b.Name) })
	return u.Show(c, http.StatusUnauthorized, v.Language, "sign-in", page)
}

func (p *Pages) signIn(c *gin.Context, v *ui.Visit) error {
	form, err := ui.Form(c)
	if err != nil {
		return err
	}
	page := newSignIn(p.ui, v)
	page.Username = form.Get("username")
	page.Remember = form.Get("remember") != ""
	page.Return = localPath(form.Get("return"))
	carried := url.Values{}
	for name, values := range form {
		if field, ok := strings.CutPrefix(name, carriedPrefix); ok {
			carried[field] = values
			page.Carried = append(page.Carried, Carried{Name: name, Value: strings.Join(values, "\n")})
		}
	}
	u, err := p.identity.SignIn(c.Request.Context(), page.Username, form.Get("password"), v.Address)
	var throttled *identity.ThrottledError
	switch locale := p.ui.Locale(v.Language); {
	case errors.Is(err, identity.ErrCredentials):
		page.Problem = locale.Text("sign_in.wrong")
	case errors.As(err, &throttled):
		page.Problem = locale.Text("sign_in.throttled", locale.Span(throttled.Until.Sub(p.ui.Now())))
	case err != nil:
		return err
	default:
		return p.enter(c, u, page, carried)
	}
	return p.ui.Show(c, http.StatusUnprocessableEntity, v.Language, "sign-in", page)
}

func (p *Pages) enter(c *gin.Context, u identity.User, page SignIn, carried url.Values) error {
	if err := p.sessions.Begin(c.Request.Context(), u); err != nil {
		return err
	}
	if err := p.remember(c, u, page.Remember); err != nil {
		return err
	}
	after := page.Return
	if len(carried) > 0 && ui.Employees.Allows(u) {
		at, err := p.keeper.Keep(c.Request.Context(), u, carried)
		if err != nil {
			return err
		}
		if at != "" {
			after = at
		}
	}
	if after == "/" {
		after = ui.Home(u)
	}
	return ui.Redirect(c, after)
}

// remember renews, or drops, the username cookie as the user ticked.
func (p *Pages) remember(c *gin.Context, u identity.User, wanted bool) error {
	if old, err := c.Cookie(usernameCookie); err == nil && old != "" {
		if err := p.identity.Forget(c.Request.Context(), old); err != nil {
			return err
		}
		dropCookie(c, usernameCookie)
	}
	if !wanted {
		return nil
	}
	handle, err := p.identity.Remember(c.Request.Context(), u)
	if err != nil {
		return err
	}
	setCookie(c, usernameCookie, handle, identity.RememberFor)
	return nil
}

func (p *Pages) signOut(c *gin.Context, _ *ui.Visit) error {
	if err := p.sessions.End(c.Request.Context()); err != nil {
		return err
	}
	return ui.Redirect(c, "/sign-in")
}
