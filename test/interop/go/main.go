// A small MCP server with the official Go SDK: without an argument over stdio, with a port over Streamable HTTP on loopback.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type addition struct {
	A int64 `json:"a"`
	B int64 `json:"b"`
}
type steps struct {
	Steps int `json:"steps"`
}
type nothing struct{}

func say(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addition) (*mcp.CallToolResult, any, error) {
	sum := new(big.Int).Add(big.NewInt(in.A), big.NewInt(in.B))
	return say(sum.String()), nil, nil
}

// echo takes its arguments raw: the number's digits are repeated as they came.
func echo(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var in struct {
		Text   string      `json:"text"`
		Number json.Number `json:"number"`
	}
	if err := json.Unmarshal(req.Params.Arguments, &in); err != nil {
		return nil, err
	}
	return say(in.Text + "|" + in.Number.String()), nil
}

func slowProgress(ctx context.Context, req *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, any, error) {
	if token := req.Params.GetProgressToken(); token != nil {
		for step := 1; step <= in.Steps; step++ {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: float64(step), Total: float64(in.Steps), Message: fmt.Sprintf("step %d", step)})
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return say(fmt.Sprintf("%d steps done", in.Steps)), nil, nil
}

// askName asks in the way of 2026-07-28; the SDK turns that into a request of its own for older clients.
func askName(_ context.Context, req *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
	if answer, ok := req.Params.InputResponses["who"].(*mcp.ElicitResult); ok {
		return say(fmt.Sprintf("Hello, %v!", answer.Content["name"])), nil, nil
	}
	form := json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`)
	question := &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: form}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"who": question}, RequestState: "asked"}, nil, nil
}

func fail(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
	return nil, nil, errors.New("failed on purpose")
}

func greeting(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: req.Params.URI, MIMEType: "text/plain", Text: "Grüße aus dem Server ✓"}}}, nil
}

func greet(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	text := &mcp.TextContent{Text: "Say hello to " + req.Params.Arguments["name"] + "."}
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: text}}}, nil
}

func build() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "interop-go", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "add", Description: "Adds two integers"}, add)
	server.AddTool(&mcp.Tool{Name: "echo", Description: "Repeats its arguments", InputSchema: json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"},"number":{"type":"integer"}},"required":["text","number"]}`)}, echo)
	mcp.AddTool(server, &mcp.Tool{Name: "slow_progress", Description: "Reports progress before it answers"}, slowProgress)
	mcp.AddTool(server, &mcp.Tool{Name: "ask_name", Description: "Asks for a name and greets it"}, askName)
	mcp.AddTool(server, &mcp.Tool{Name: "fail", Description: "Always fails"}, fail)
	server.AddResource(&mcp.Resource{Name: "greeting", URI: "interop://greeting", MIMEType: "text/plain"}, greeting)
	server.AddPrompt(&mcp.Prompt{Name: "greet", Description: "A greeting", Arguments: []*mcp.PromptArgument{{Name: "name", Required: true}}}, greet)
	return server
}

func main() {
	server := build()
	if len(os.Args) < 2 {
		log.Fatal(server.Run(context.Background(), &mcp.StdioTransport{}))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	// This SDK speaks 2026-07-28 where it keeps no sessions, and asks its clients of older revisions only where it does.
	same := func(*http.Request) *mcp.Server { return server }
	http.Handle("/mcp", mcp.NewStreamableHTTPHandler(same, &mcp.StreamableHTTPOptions{Stateless: true}))
	http.Handle("/legacy", mcp.NewStreamableHTTPHandler(same, nil))
	log.Fatal(http.Serve(listener, nil))
}
