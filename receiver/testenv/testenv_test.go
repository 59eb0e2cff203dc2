package testenv_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"lessor.dk/portalsync/receiver/testenv"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPostgres(t *testing.T) {
	prepared, name := 0, rand.Text()
	prepare := func(ctx context.Context, url string) error {
		prepared++
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "CREATE TABLE made (n BIGINT); INSERT INTO made VALUES (7)"); err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	t.Run("each test has a database of its own, made from one template", func(t *testing.T) {
		a := connect(t, testenv.PostgresFrom(t, name, prepare))
		b := connect(t, testenv.PostgresFrom(t, name, prepare))
		if _, err := a.Exec(t.Context(), "DELETE FROM made"); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := b.QueryRow(t.Context(), "SELECT n FROM made").Scan(&n); err != nil || n != 7 {
			t.Errorf("the other database holds %d (err %v), want 7", n, err)
		}
		if prepared != 1 {
			t.Errorf("the template was prepared %d times, want 1", prepared)
		}
	})
	t.Run("an empty database is empty", func(t *testing.T) {
		var n int
		row := connect(t, testenv.Postgres(t)).QueryRow(t.Context(), "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
		if err := row.Scan(&n); err != nil || n != 0 {
			t.Errorf("tables = %d (err %v), want 0", n, err)
		}
	})
}

func TestRedis(t *testing.T) {
	tests := map[string]struct {
		cfg  testenv.RedisConfig
		want int64
	}{
		"a killed Redis comes back empty":          {want: 0},
		"with append-only it comes back as it was": {cfg: testenv.RedisConfig{AppendOnly: true}, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := testenv.NewRedis(t, tt.cfg)
			c := r.Client(t)
			if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			r.Kill(t)
			if err := c.Ping(t.Context()).Err(); err == nil {
				t.Fatal("a killed Redis answers")
			}
			r.Start(t)
			if n, err := c.Exists(t.Context(), "key").Result(); err != nil || n != tt.want {
				t.Errorf("keys = %d (err %v), want %d", n, err, tt.want)
			}
		})
	}
}

func TestChromium(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<!doctype html><title>Løn</title>"))
	}))
	defer page.Close()
	tab := testenv.Chromium(t)
	if _, err := chromedp.Run(tab, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(tab, chromedp.Title())
	if err != nil {
		t.Fatal(err)
	}
	if title != "Løn" {
		t.Errorf("title = %q, want Løn", title)
	}
}
