// The prices, in Go: listens where HOST and PORT say, and finds the shop at PLT_SHOP_URL.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

var cents = map[string]int{"tea": 350, "coffee": 420}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}

func price(w http.ResponseWriter, r *http.Request) {
	item := r.PathValue("item")
	answer(w, map[string]any{"item": item, "cents": cents[item]})
}

func discounted(w http.ResponseWriter, r *http.Request) {
	item := r.PathValue("item")
	var discount struct{ Percent int }
	found, err := http.Get(os.Getenv("PLT_SHOP_URL") + "/discount")
	if err == nil {
		defer found.Body.Close()
		err = json.NewDecoder(found.Body).Decode(&discount)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, map[string]any{"item": item, "cents": cents[item] * (100 - discount.Percent) / 100})
}

func main() {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{item}", price)
	routes.HandleFunc("GET /discounted/{item}", discounted)
	server := &http.Server{Addr: net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), Handler: routes}

	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		<-stopped.Done()
		done <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}
