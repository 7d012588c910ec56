//! mcpload: an MCP load generator over Streamable HTTP, independent of every SDK; one blocking thread a connection.
//!
//!   mcpload --url http://127.0.0.1:9100/mcp --era legacy|modern --tool echo [--conc 16] [--secs 5] [--warmup 1]
//!           [--method tools/call|tools/list] [--arg text] [--pad BYTES] [--version 2025-11-25] [--timeout-ms 10000]
//!           [--header "Authorization: Bearer x"]...
//!
//! Loopback only. Each answer must carry the nonce that was sent, else it counts as an error. Prints one JSON object.
mod http;
mod json;

use json::{quote, J};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const MODERN: &str = "2026-07-28";
const ENVELOPE: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"mcpload","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

struct Plan {
    host: String,
    path: String,
    modern: bool,
    tool: String,
    argument: String,
    method: String,
    version: String,
    headers: Vec<String>,
    timeout_ms: u64,
    pad: usize,
}

/// What one connection saw.
#[derive(Default)]
struct Tally {
    latencies_ms: Vec<f32>,
    errors: u64,
    requests: u64,
    connects: u64,
    handshake_ms: f64,
}

fn head(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

impl Plan {
    fn request(&self, method: &str, session: Option<&str>, body: &str) -> Vec<u8> {
        let mut out = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.host);
        out += "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nUser-Agent: mcpload/1\r\n";
        for header in &self.headers {
            out += &format!("{header}\r\n");
        }
        if self.modern {
            out += &format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n");
            if method == "tools/call" {
                out += &format!("Mcp-Name: {}\r\n", self.tool);
            }
        } else if method != "initialize" {
            out += &format!("MCP-Protocol-Version: {}\r\n", self.version);
        }
        if let Some(session) = session {
            out += &format!("Mcp-Session-Id: {session}\r\n");
        }
        out += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        out.into_bytes()
    }

    fn body(&self, id: u64, nonce: &str) -> String {
        let mut params = vec![];
        if self.method == "tools/call" {
            let text = quote(&format!("{nonce}{}", "x".repeat(self.pad)));
            params.push(format!(
                r#""name":{},"arguments":{{{}:{text}}}"#,
                quote(&self.tool),
                quote(&self.argument)
            ));
        }
        if self.modern {
            params.push(ENVELOPE.to_string());
        }
        let (method, params) = (quote(&self.method), params.join(","));
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{{{params}}}}}"#)
    }

    /// The JSON-RPC response to `id`, from a JSON body or from an event stream.
    fn answer(&self, response: &http::Resp, id: u64) -> Result<String, String> {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let is_wanted = |s: &str| json::parse(s).is_some_and(|j| j.get("id").and_then(J::int) == Some(id));
        if response
            .h("content-type")
            .unwrap_or("")
            .starts_with("text/event-stream")
        {
            let data = text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim_start);
            let mut found = data.filter(|data| is_wanted(data));
            if let Some(data) = found.next() {
                return Ok(data.to_string());
            }
        } else if response.status < 300 && is_wanted(&text) {
            return Ok(text);
        }
        Err(format!(
            "http {} without the answer: {}",
            response.status,
            head(&text, 200)
        ))
    }

    fn handshake(&self, client: &mut http::Client) -> Result<Option<String>, String> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":{},"capabilities":{{}},"clientInfo":{{"name":"mcpload","version":"1"}}}}}}"#,
            quote(&self.version)
        );
        let send = |client: &mut http::Client, raw: &[u8]| {
            client.send(raw, self.timeout_ms).map_err(|e| format!("handshake: {e}"))
        };
        let response = send(client, &self.request("initialize", None, &body))?;
        let answer = self.answer(&response, 0)?;
        if answer.contains("\"error\"") {
            return Err(format!("handshake: {}", head(&answer, 300)));
        }
        let session = response.h("mcp-session-id").map(str::to_string);
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        send(
            client,
            &self.request("notifications/initialized", session.as_deref(), body),
        )?;
        Ok(session)
    }

    /// One request; the time it took, or why its answer is not the right one.
    fn once(&self, client: &mut http::Client, session: Option<&str>, id: u64, nonce: &str) -> Result<Duration, String> {
        let raw = self.request(&self.method, session, &self.body(id, nonce));
        let started = Instant::now();
        let response = client.send(&raw, self.timeout_ms).map_err(|e| format!("io: {e}"))?;
        let elapsed = started.elapsed();
        let answer = self.answer(&response, id)?;
        let carries_nonce = self.method != "tools/call" || answer.contains(nonce);
        if !carries_nonce || answer.contains("\"isError\":true") || answer.contains("\"error\":{") {
            return Err(head(&answer, 300));
        }
        Ok(elapsed)
    }
}

struct Signals {
    start: Barrier,
    measuring: AtomicBool,
    stop: AtomicBool,
    samples: Mutex<Vec<String>>,
}

impl Signals {
    fn note(&self, problem: String) {
        let mut samples = self.samples.lock().unwrap();
        if samples.len() < 3 {
            samples.push(problem);
        }
    }
}

fn run_connection(plan: &Plan, signals: &Signals, worker: usize) -> Tally {
    let mut client = http::Client::new(&plan.host);
    let mut tally = Tally::default();
    let mut session = None;
    let mut alive = true;
    if !plan.modern {
        let started = Instant::now();
        match plan.handshake(&mut client) {
            Ok(id) => session = id,
            Err(problem) => {
                signals.note(problem);
                tally.errors += 1;
                alive = false;
            }
        }
        tally.handshake_ms = started.elapsed().as_secs_f64() * 1e3;
    }
    signals.start.wait();
    while alive && !signals.stop.load(Ordering::Relaxed) {
        tally.requests += 1;
        let id = tally.requests;
        let outcome = plan.once(&mut client, session.as_deref(), id, &format!("n{worker}-{id}-"));
        // A call counts if it ends inside the window.
        let counts = signals.measuring.load(Ordering::Relaxed);
        match outcome {
            Ok(elapsed) if counts => tally.latencies_ms.push((elapsed.as_secs_f64() * 1e3) as f32),
            Ok(_) => {}
            Err(problem) => {
                tally.errors += u64::from(counts);
                signals.note(problem);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    tally.connects = client.reconnects;
    tally
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |key: &str, default: &str| {
        let found = args.iter().position(|a| a == key).and_then(|i| args.get(i + 1));
        found.cloned().unwrap_or_else(|| default.to_string())
    };
    let number = |key: &str, default: &str| option(key, default).parse::<f64>().expect("a number");
    let url = option("--url", "http://127.0.0.1:9100/mcp");
    let address = url.strip_prefix("http://").expect("an http address");
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let host = host.replace("localhost", "127.0.0.1");
    assert!(host.starts_with("127."), "loopback only");
    let headers = args
        .iter()
        .zip(args.iter().skip(1))
        .filter(|(key, _)| *key == "--header");
    let plan = Arc::new(Plan {
        host,
        path: format!("/{path}"),
        modern: option("--era", "modern") == "modern",
        tool: option("--tool", "echo"),
        argument: option("--arg", "text"),
        method: option("--method", "tools/call"),
        version: option("--version", "2025-11-25"),
        headers: headers.map(|(_, value)| value.clone()).collect(),
        timeout_ms: number("--timeout-ms", "10000") as u64,
        pad: number("--pad", "0") as usize,
    });
    let connections = number("--conc", "1") as usize;
    let signals = Arc::new(Signals {
        start: Barrier::new(connections + 1),
        measuring: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        samples: Mutex::default(),
    });
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let (plan, signals) = (plan.clone(), signals.clone());
            let thread = std::thread::Builder::new().stack_size(512 * 1024);
            thread
                .spawn(move || run_connection(&plan, &signals, worker))
                .expect("a thread")
        })
        .collect();
    signals.start.wait();
    std::thread::sleep(Duration::from_secs_f64(number("--warmup", "1")));
    signals.measuring.store(true, Ordering::Relaxed);
    let started = Instant::now();
    std::thread::sleep(Duration::from_secs_f64(number("--secs", "5")));
    signals.measuring.store(false, Ordering::Relaxed);
    let elapsed_s = started.elapsed().as_secs_f64();
    signals.stop.store(true, Ordering::Relaxed);

    let mut total = Tally::default();
    for tally in workers
        .into_iter()
        .map(|worker| worker.join().expect("a worker's tally"))
    {
        total.latencies_ms.extend(tally.latencies_ms);
        total.errors += tally.errors;
        total.requests += tally.requests;
        total.connects += tally.connects;
        total.handshake_ms = total.handshake_ms.max(tally.handshake_ms);
    }
    print(&plan, connections, elapsed_s, total, &signals.samples.lock().unwrap());
}

fn print(plan: &Plan, connections: usize, elapsed_s: f64, mut total: Tally, samples: &[String]) {
    let latencies = &mut total.latencies_ms;
    latencies.sort_by(f32::total_cmp);
    let calls = latencies.len();
    let quantile = |q: f64| {
        latencies
            .get(((calls as f64 * q) as usize).min(calls.saturating_sub(1)))
            .copied()
    };
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|q| quantile(q).unwrap_or(0.0));
    let samples: Vec<String> = samples.iter().map(|sample| quote(sample)).collect();
    println!(
        r#"{{"era":"{}","method":{},"conc":{connections},"secs":{elapsed_s:.2},"calls":{calls},"requests":{},"errors":{},"calls_per_s":{:.1},"p50_ms":{p50:.3},"p90_ms":{p90:.3},"p99_ms":{p99:.3},"max_ms":{max:.3},"handshake_ms":{:.1},"connects":{},"sample_errors":[{}]}}"#,
        if plan.modern { "modern" } else { "legacy" },
        quote(&plan.method),
        total.requests,
        total.errors,
        calls as f64 / elapsed_s,
        total.handshake_ms,
        total.connects,
        samples.join(",")
    );
}
