// Passes webhooks on, in Go; makes its own spans and sends them as OTLP's JSON.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	serverKind = 2
	clientKind = 3
	pause      = 200 * time.Millisecond
)

type span struct {
	TraceID  string `json:"traceId"`
	SpanID   string `json:"spanId"`
	ParentID string `json:"parentSpanId"`
	Name     string `json:"name"`
	Kind     int    `json:"kind"`
	Start    string `json:"startTimeUnixNano"`
	End      string `json:"endTimeUnixNano"`
}

var (
	lock   sync.Mutex
	spans  []span
	client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
)

func now() string { return strconv.FormatInt(time.Now().UnixNano(), 10) }

func begin(kind int, trace, parent string) span {
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	return span{TraceID: trace, SpanID: hex.EncodeToString(id), ParentID: parent, Name: "POST", Kind: kind, Start: now()}
}

func end(ended span) {
	ended.End = now()
	lock.Lock()
	defer lock.Unlock()
	spans = append(spans, ended)
}

func flush() {
	lock.Lock()
	batch := spans
	spans = nil
	lock.Unlock()
	if len(batch) == 0 {
		return
	}
	name := map[string]any{"key": "service.name", "value": map[string]any{"stringValue": os.Getenv("OTEL_SERVICE_NAME")}}
	body, _ := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []any{name}},
		"scopeSpans": []any{map[string]any{"scope": map[string]any{"name": "relay"}, "spans": batch}},
	}}})
	answer, err := client.Post(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), "application/json", bytes.NewReader(body))
	if err != nil {
		log.Print(err)
		return
	}
	answer.Body.Close()
}

func relay(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.Header.Get("traceparent"), "-")
	served := begin(serverKind, parts[1], parts[2])
	body, _ := io.ReadAll(r.Body)
	call := begin(clientKind, parts[1], served.SpanID)
	request, _ := http.NewRequest("POST", os.Getenv("PLT_TARGET_URL")+"/hook", bytes.NewReader(body))
	request.Header.Set("traceparent", "00-"+parts[1]+"-"+call.SpanID+"-01")
	for _, name := range []string{"tracestate", "baggage"} {
		request.Header.Set(name, r.Header.Get(name))
	}
	answer, err := client.Do(request)
	end(call)
	end(served)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
}

func main() {
	http.HandleFunc("POST /hook", relay)
	server := &http.Server{Addr: net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		for {
			select {
			case <-time.After(pause):
				flush()
			case <-stopped.Done():
				err := server.Shutdown(context.Background())
				flush()
				done <- err
				return
			}
		}
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}
