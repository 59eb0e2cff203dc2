package main

import (
	"context"
	"net/http"
)

// pages returns the portal.
func (r *receiver) pages(_ context.Context) (http.Handler, error) {
	return http.NotFoundHandler(), nil
}
