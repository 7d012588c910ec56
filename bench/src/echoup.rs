//! echoup: an echo MCP server that costs next to nothing, in both protocol eras, on the standard library alone.
//!
//!   echoup --port 9100 [--tools 2] [--sse 1] [--eras both|legacy|modern] [--delay-ms 0] [--name echoup]
//!   echoup --stdio 1 [--tools 2] ...
//!
//! Tools: echo{text}, sleep{ms}, and tool_0002.. that fill the catalogue up to --tools.
//! GET /stats answers {"<era> <method>": count, ...}.
mod http;
mod json;

use json::{quote, J};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

struct Reply {
    status: &'static str,
    headers: String,
    /// None: the message was a notification.
    body: Option<String>,
}

struct Server {
    sse: bool,
    eras: String,
    delay: Duration,
    name: String,
    tool_list: String,
    counts: Mutex<BTreeMap<String, u64>>,
    sessions: AtomicU64,
}

fn tool_list(count: usize) -> String {
    let mut tools = vec![
        r#"{"name":"echo","title":"Echo","description":"Echo the text back.","inputSchema":{"type":"object","properties":{"text":{"type":"string","description":"what to echo"}},"required":["text"]}}"#.to_string(),
        r#"{"name":"sleep","title":"Sleep","description":"Sleep for ms milliseconds, then answer.","inputSchema":{"type":"object","properties":{"ms":{"type":"integer"}},"required":["ms"]}}"#.to_string(),
    ];
    tools.extend((2..count).map(|i| {
        format!(r#"{{"name":"tool_{i:04}","description":"Filler tool number {i}: looks up record {i} in the demo catalogue and returns its fields.","inputSchema":{{"type":"object","properties":{{"id":{{"type":"string","description":"record id"}},"limit":{{"type":"integer","minimum":1,"maximum":100}}}},"required":["id"]}}}}"#)
    }));
    tools.truncate(count.max(1));
    format!("[{}]", tools.join(","))
}

impl Server {
    fn count(&self, what: &str) {
        *self.counts.lock().unwrap().entry(what.to_string()).or_insert(0) += 1;
    }

    fn stats(&self) -> String {
        let counts = self.counts.lock().unwrap();
        let fields: Vec<String> = counts.iter().map(|(k, v)| format!("{}:{v}", quote(k))).collect();
        format!("{{{}}}", fields.join(","))
    }

    fn answer(&self, message: &J, version_header: &str) -> Reply {
        let method = message.get("method").and_then(J::str).unwrap_or("");
        let version = message
            .path(&["params", "_meta", "io.modelcontextprotocol/protocolVersion"])
            .and_then(J::str)
            .unwrap_or(version_header);
        let modern = version >= MODERN;
        let era = if modern { "modern" } else { "legacy" };
        self.count(&format!(
            "{era} {}",
            if method.is_empty() { "(response)" } else { method }
        ));
        let Some(id) = message.get("id").map(J::dump) else {
            return Reply {
                status: "202 Accepted",
                headers: String::new(),
                body: None,
            };
        };
        let error = |code: i64, text: &str, data: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}{data}}}}}"#,
                quote(text)
            )
        };
        if self.eras != "both" && self.eras != era {
            let supported = if self.eras == "modern" { MODERN } else { LEGACY };
            let data = format!(
                r#","data":{{"supported":["{supported}"],"requested":{}}}"#,
                quote(version)
            );
            let body = error(-32022, "Unsupported protocol version", &data);
            return Reply {
                status: "400 Bad Request",
                headers: String::new(),
                body: Some(body),
            };
        }
        let mut headers = String::new();
        if method == "initialize" {
            let number = self.sessions.fetch_add(1, Ordering::Relaxed);
            headers = format!("Mcp-Session-Id: s{number:016x}\r\n");
        }
        let (status, body) = match self.result(message, method, modern) {
            Some(result) => ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)),
            None if method == "tools/call" => ("200 OK", error(-32602, "Unknown tool", "")),
            None if modern => ("404 Not Found", error(-32601, "Method not found", "")),
            None => ("200 OK", error(-32601, "Method not found", "")),
        };
        Reply {
            status,
            headers,
            body: Some(body),
        }
    }

    fn result(&self, message: &J, method: &str, modern: bool) -> Option<String> {
        let kind = if modern { r#""resultType":"complete","# } else { "" };
        let cache = if modern {
            r#","ttlMs":300000,"cacheScope":"public""#
        } else {
            ""
        };
        let name = quote(&self.name);
        Some(match method {
            "initialize" => {
                let wanted = message
                    .path(&["params", "protocolVersion"])
                    .and_then(J::str)
                    .unwrap_or(LEGACY);
                let version = quote(if wanted >= MODERN { LEGACY } else { wanted });
                format!(
                    r#"{{"protocolVersion":{version},"capabilities":{{"tools":{{"listChanged":true}}}},"serverInfo":{{"name":{name},"version":"1.0.0"}}}}"#
                )
            }
            "server/discover" if modern => format!(
                r#"{{{kind}"supportedVersions":["{MODERN}","{LEGACY}","2025-06-18","2025-03-26"],"capabilities":{{"tools":{{"listChanged":true}}}},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":{name},"version":"1.0.0"}}}}{cache}}}"#
            ),
            "ping" | "logging/setLevel" => "{}".into(),
            "tools/list" => format!(r#"{{{kind}"tools":{}{cache}}}"#, self.tool_list),
            "prompts/list" => format!(r#"{{{kind}"prompts":[]{cache}}}"#),
            "resources/list" => format!(r#"{{{kind}"resources":[]{cache}}}"#),
            "resources/templates/list" => format!(r#"{{{kind}"resourceTemplates":[]{cache}}}"#),
            "tools/call" => {
                let text = quote(&self.call(message)?);
                format!(r#"{{{kind}"content":[{{"type":"text","text":{text}}}],"isError":false}}"#)
            }
            _ => return None,
        })
    }

    fn call(&self, message: &J) -> Option<String> {
        std::thread::sleep(self.delay);
        let argument = |key: &str| message.path(&["params", "arguments", key]);
        match message.path(&["params", "name"]).and_then(J::str)? {
            "echo" => Some(argument("text").and_then(J::str).unwrap_or("").to_string()),
            "sleep" => {
                std::thread::sleep(Duration::from_millis(argument("ms").and_then(J::int).unwrap_or(0)));
                Some("slept".into())
            }
            name if name.starts_with("tool_") => Some(format!("{name} ok")),
            _ => None,
        }
    }

    fn serve_stdio(&self) {
        let mut out = io::stdout().lock();
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Some(message) = json::parse(&line) else { continue };
            if let Some(body) = self.answer(&message, "").body {
                if out
                    .write_all(format!("{body}\n").as_bytes())
                    .and_then(|()| out.flush())
                    .is_err()
                {
                    return;
                }
            }
        }
    }

    fn serve_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(65536, stream.try_clone()?);
        self.count("tcp_connections");
        loop {
            let request = http::read_req(&mut reader)?;
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/stats") => write(&mut stream, "200 OK", "", "application/json", &self.stats())?,
                ("POST", _) => self.serve_post(&mut stream, &request)?,
                ("DELETE", _) => write(&mut stream, "200 OK", "", "", "")?,
                _ => write(&mut stream, "405 Method Not Allowed", "Allow: POST\r\n", "", "")?,
            }
        }
    }

    fn serve_post(&self, stream: &mut TcpStream, request: &http::Req) -> io::Result<()> {
        let Some(message) = json::parse(&String::from_utf8_lossy(&request.body)) else {
            let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#;
            return write(stream, "400 Bad Request", "", "application/json", body);
        };
        let reply = self.answer(&message, request.h("mcp-protocol-version").unwrap_or(""));
        match reply.body {
            None => write(stream, reply.status, "", "", ""),
            Some(body) if self.sse && reply.status == "200 OK" => {
                let event = format!("event: message\r\ndata: {body}\r\n\r\n");
                write(stream, reply.status, &reply.headers, "text/event-stream", &event)
            }
            Some(body) => write(stream, reply.status, &reply.headers, "application/json", &body),
        }
    }
}

fn write(stream: &mut TcpStream, status: &str, headers: &str, content_type: &str, body: &str) -> io::Result<()> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}");
    if !content_type.is_empty() {
        out += &format!("Content-Type: {content_type}\r\n");
    }
    out += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(out.as_bytes())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |key: &str, default: &str| {
        let found = args.iter().position(|a| a == key).and_then(|i| args.get(i + 1));
        found.cloned().unwrap_or_else(|| default.to_string())
    };
    let number = |key: &str, default: &str| option(key, default).parse::<u64>().expect("a number");
    let server = Arc::new(Server {
        sse: option("--sse", "0") == "1",
        eras: option("--eras", "both"),
        delay: Duration::from_millis(number("--delay-ms", "0")),
        name: option("--name", "echoup"),
        tool_list: tool_list(number("--tools", "2") as usize),
        counts: Mutex::default(),
        sessions: AtomicU64::new(1),
    });
    if option("--stdio", "0") == "1" {
        return server.serve_stdio();
    }
    let listener = TcpListener::bind(("127.0.0.1", number("--port", "9100") as u16)).expect("a free port");
    for stream in listener.incoming().flatten() {
        let server = server.clone();
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        // A connection that ends is no failure; one that finds no thread is dropped.
        let _ = thread.spawn(move || server.serve_connection(stream));
    }
}
