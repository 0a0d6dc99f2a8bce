//! A small MCP server with the official Rust SDK: without an argument over stdio, with a port over Streamable HTTP on loopback.

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::*,
    service::RequestContext,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Refusable<T> = Result<T, ErrorData>;

/// What the SDK models, written as the JSON it stands for.
fn from<T: DeserializeOwned>(value: Value) -> Refusable<T> {
    serde_json::from_value(value).map_err(|fault| ErrorData::internal_error(fault.to_string(), None))
}

fn say(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

fn tool(name: &str, description: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|all| all.keys().collect()).unwrap_or_default();
    json!({ "name": name, "description": description, "inputSchema": { "type": "object", "properties": properties, "required": required } })
}

#[derive(Clone)]
struct Interop;

impl Interop {
    async fn slow_progress(&self, steps: i64, context: &RequestContext<RoleServer>) -> Refusable<CallToolResponse> {
        if let Some(token) = context.meta.get_progress_token() {
            for step in 1..=steps {
                let told = ProgressNotificationParam::new(token.clone(), step as f64).with_total(steps as f64).with_message(format!("step {step}"));
                context.peer.notify_progress(told).await.map_err(|fault| ErrorData::internal_error(fault.to_string(), None))?;
            }
        }
        Ok(say(format!("{steps} steps done")))
    }

    /// 2026-07-28 asks by its result, the revisions before it by a request of the server's own.
    async fn ask_name(&self, answers: Option<InputResponses>, context: &RequestContext<RoleServer>) -> Refusable<CallToolResponse> {
        let question = json!({ "mode": "form", "message": "What is your name?", "requestedSchema": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] } });
        if let Some(answer) = answers.as_ref().and_then(|all| all.get("who")) {
            return Ok(say(format!("Hello, {}!", answer["content"]["name"].as_str().unwrap_or("nobody"))));
        }
        if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            let asked: InputRequests = from(json!({ "who": { "method": "elicitation/create", "params": question } }))?;
            return Ok(InputRequiredResult::new(Some(asked), Some("asked".into())).into());
        }
        let answer = context.peer.create_elicitation(from(question)?).await.map_err(|fault| ErrorData::internal_error(fault.to_string(), None))?;
        Ok(say(format!("Hello, {}!", answer.content.unwrap_or_default()["name"].as_str().unwrap_or("nobody"))))
    }
}

impl ServerHandler for Interop {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(offered).with_server_info(Implementation::new("interop-rust", "1.0.0"))
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Refusable<ListToolsResult> {
        from(json!({ "tools": [
            tool("add", "Adds two integers", json!({ "a": { "type": "integer" }, "b": { "type": "integer" } })),
            tool("echo", "Repeats its arguments", json!({ "text": { "type": "string" }, "number": { "type": "integer" } })),
            tool("slow_progress", "Reports progress before it answers", json!({ "steps": { "type": "integer" } })),
            tool("ask_name", "Asks for a name and greets it", json!({})),
            tool("fail", "Always fails", json!({})),
        ] }))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Refusable<CallToolResponse> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let integer = |name: &str| arguments[name].as_i64().ok_or_else(|| ErrorData::invalid_params("an integer is missing", None));
        match request.name.as_ref() {
            "add" => Ok(say((i128::from(integer("a")?) + i128::from(integer("b")?)).to_string())),
            "echo" => Ok(say(format!("{}|{}", arguments["text"].as_str().unwrap_or_default(), arguments["number"]))),
            "slow_progress" => self.slow_progress(integer("steps")?, &context).await,
            "ask_name" => self.ask_name(request.input_responses, &context).await,
            "fail" => Ok(CallToolResult::error(vec![ContentBlock::text("failed on purpose")]).into()),
            _ => Err(ErrorData::invalid_params("unknown tool", None)),
        }
    }

    async fn list_resources(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Refusable<ListResourcesResult> {
        from(json!({ "resources": [{ "uri": "interop://greeting", "name": "greeting", "mimeType": "text/plain" }] }))
    }

    async fn read_resource(&self, request: ReadResourceRequestParams, _: RequestContext<RoleServer>) -> Refusable<ReadResourceResponse> {
        let read: ReadResourceResult = from(json!({ "resultType": "complete", "contents": [{ "uri": request.uri, "mimeType": "text/plain", "text": "Grüße aus dem Server ✓" }] }))?;
        Ok(read.into())
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Refusable<ListPromptsResult> {
        from(json!({ "prompts": [{ "name": "greet", "description": "A greeting", "arguments": [{ "name": "name", "required": true }] }] }))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: RequestContext<RoleServer>) -> Refusable<GetPromptResponse> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let text = format!("Say hello to {}.", arguments["name"].as_str().unwrap_or_default());
        let got: GetPromptResult = from(json!({ "resultType": "complete", "messages": [{ "role": "user", "content": { "type": "text", "text": text } }] }))?;
        Ok(got.into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(port) = std::env::args().nth(1) else {
        Interop.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
        return Ok(());
    };
    let service: StreamableHttpService<Interop, LocalSessionManager> = StreamableHttpService::new(|| Ok(Interop), Default::default(), StreamableHttpServerConfig::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}
