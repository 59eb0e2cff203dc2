package ui

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/identity"
)

// Access says who may open a route.
type Access string

// The accesses. A route has exactly one; a route without one does not start.
const (
	Anyone     Access = "anyone"     // signed in or not
	Employees  Access = "employees"  // users linked to an employee of a main system, for their own data
	Operations Access = "operations" // LESSOR's operations: synchronization metadata, no tenant data
)

// Allows reports whether a user may open a route. The zero user is a visitor who has not signed in.
func (a Access) Allows(u identity.User) bool {
	switch a {
	case Anyone:
		return true
	case Employees:
		return u.ID != 0 && u.EmployeeNo != "" && u.Role != identity.Operations
	case Operations:
		return u.ID != 0 && u.Role == identity.Operations
	}
	return false
}

// Route is one address of the portal.
type Route struct {
	Method, Path string
	Access       Access
	Handle       func(*gin.Context, *Visit) error
}

// Errors a handler may return; the router makes pages of them.
var (
	// ErrNotFound shows the page "not found".
	ErrNotFound = errors.New("page not found")
	// ErrForbidden shows the page "not allowed".
	ErrForbidden = errors.New("not allowed")
)

// Visit is one request of one visitor.
type Visit struct {
	User     identity.User // zero when not signed in
	Customer string        // name of the user's tenant; empty when there is none
	Language Language
	Address  string // of the visitor's machine
	Path     string // with query, to come back to
}

// Section is an entry of the menu.
type Section struct {
	Key, Href, Icon string
}

// Frame is what the layout shows around every page. Every page's struct embeds it.
type Frame struct {
	Visit
	Title   string // of the browser tab, in the visitor's language
	Brand   string
	Menu    []Section
	Current string // key of the menu entry the page belongs to
	Notice  string // key of a sentence about what has just been done
	Refresh int    // seconds after which the page loads itself again without JavaScript; 0 never
	Wide    bool   // for tables of operations
}

// Frame returns the frame of a page: the key of its title, and of the menu entry it belongs to.
func (u *UI) Frame(v *Visit, title, current string) Frame {
	return Frame{
		Visit: *v, Title: u.locales[v.Language].Text(title), Brand: u.brand,
		Menu: menuOf(v.User), Current: current,
	}
}

func menuOf(u identity.User) []Section {
	switch {
	case Employees.Allows(u):
		return []Section{
			{Key: "home", Href: "/home", Icon: "home"},
			{Key: "payslips", Href: "/payslips", Icon: "payslip"},
			{Key: "absence", Href: "/absence", Icon: "absence"},
			{Key: "registrations", Href: "/registrations", Icon: "list"},
		}
	case Operations.Allows(u):
		return []Section{{Key: "agents", Href: "/operations", Icon: "agents"}}
	}
	return nil
}

// Home is where a user begins.
func Home(u identity.User) string {
	switch {
	case Employees.Allows(u):
		return "/home"
	case Operations.Allows(u):
		return "/operations"
	}
	return "/welcome"
}

// Form returns the fields of the form that a request carries in its body; the address does not count.
func Form(c *gin.Context) (url.Values, error) {
	if err := c.Request.ParseForm(); err != nil {
		return nil, fmt.Errorf("read form: %w", err)
	}
	return c.Request.PostForm, nil //nolint:forbidigo // the field of a request, not http.PostForm
}

// Redirect sends the visitor on after a form: GET the address.
func Redirect(c *gin.Context, to string) error {
	c.Redirect(http.StatusSeeOther, to)
	return nil
}
