// Package public holds the pages for visitors who have not signed in: sign-in, language, errors, and the
// page for browsers that cannot show the portal.
package public

import (
	"context"
	"embed"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/web/ui"
)

//go:embed *.html
var files embed.FS

// Set returns the pages of this package.
func Set() ui.Set {
	return ui.Set{Files: files, Pages: []ui.Page{
		{Name: "sign-in", Data: SignIn{}},
		{Name: "welcome", Data: Welcome{}},
		{Name: "problem", Data: Problem{}},
	}}
}

// Identity checks usernames and passwords.
type Identity interface {
	SignIn(ctx context.Context, username, password, address string) (identity.User, error)
	Remember(ctx context.Context, u identity.User) (handle string, err error)
	Remembered(ctx context.Context, handle string) (string, error)
	Forget(ctx context.Context, handle string) error
}

// Sessions begins and ends a visitor's session.
type Sessions interface {
	Begin(ctx context.Context, u identity.User) error
	End(ctx context.Context) error
	SetLanguage(ctx context.Context, u identity.User, l ui.Language) error
}

// Keeper keeps a form that was sent after its session had ended, and says where it continues. The empty
// address means that the form was not this user's, or is of no use.
type Keeper interface {
	Keep(ctx context.Context, u identity.User, form url.Values) (continueAt string, err error)
}

// Pages are the public pages.
type Pages struct {
	ui       *ui.UI
	identity Identity
	sessions Sessions
	keeper   Keeper
}

// New returns the public pages.
func New(u *ui.UI, id Identity, s Sessions, k Keeper) *Pages {
	return &Pages{ui: u, identity: id, sessions: s, keeper: k}
}

// Routes returns the addresses of the public pages.
func (p *Pages) Routes() []ui.Route {
	return []ui.Route{
		{Method: http.MethodGet, Path: "/", Access: ui.Anyone, Handle: p.start},
		{Method: http.MethodGet, Path: "/welcome", Access: ui.Anyone, Handle: p.welcome},
		{Method: http.MethodGet, Path: "/sign-in", Access: ui.Anyone, Handle: p.signInForm},
		{Method: http.MethodPost, Path: "/sign-in", Access: ui.Anyone, Handle: p.signIn},
		{Method: http.MethodPost, Path: "/sign-out", Access: ui.Anyone, Handle: p.signOut},
		{Method: http.MethodPost, Path: "/language", Access: ui.Anyone, Handle: p.language},
	}
}

func (p *Pages) start(c *gin.Context, v *ui.Visit) error {
	if v.User.ID == 0 {
		return ui.Redirect(c, SignInPath("/"))
	}
	return ui.Redirect(c, ui.Home(v.User))
}

// Welcome is the data of welcome.html: somebody signed in whom no pages are for yet.
type Welcome struct{ ui.Frame }

func (p *Pages) welcome(c *gin.Context, v *ui.Visit) error {
	if v.User.ID == 0 {
		return ui.Redirect(c, SignInPath("/"))
	}
	return p.ui.Show(c, http.StatusOK, v.Language, "welcome", Welcome{p.ui.Frame(v, "welcome.title", "")})
}

// LanguageCookie keeps the language of a visitor who chose one, for a year.
const LanguageCookie = "__Host-language"

const languageFor = 365 * 24 * time.Hour

func (p *Pages) language(c *gin.Context, v *ui.Visit) error {
	chosen := ui.ParseLanguage(c.PostForm("language"))
	setCookie(c, LanguageCookie, string(chosen), languageFor)
	if v.User.ID != 0 {
		if err := p.sessions.SetLanguage(c.Request.Context(), v.User, chosen); err != nil {
			return err
		}
	}
	return ui.Redirect(c, localPath(c.PostForm("return")))
}

func setCookie(c *gin.Context, name, value string, age time.Duration) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func dropCookie(c *gin.Context, name string) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// SignInPath returns the address of the sign-in page that leads to a page afterwards.
func SignInPath(after string) string {
	if after == "/" || after == "" {
		return "/sign-in"
	}
	return "/sign-in?" + url.Values{"return": {after}}.Encode()
}

// localPath returns the path if it is one of the portal's own, and the start page otherwise: a link must
// not use the sign-in page to send people elsewhere.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") ||
		strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}
