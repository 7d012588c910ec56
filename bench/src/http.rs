// Minimal blocking HTTP/1.1 plumbing (std only).
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
#[allow(dead_code)]
pub struct Req {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
#[allow(dead_code)]
impl Req {
    pub fn h(&self, k: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == k).map(|(_, v)| v.as_str())
    }
}
fn line<R: BufRead>(r: &mut R) -> io::Result<String> {
    let mut s = String::new();
    let n = r.read_line(&mut s)?;
    if n == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "eof"));
    }
    while s.ends_with('\n') || s.ends_with('\r') {
        s.pop();
    }
    Ok(s)
}
fn headers<R: BufRead>(r: &mut R) -> io::Result<Vec<(String, String)>> {
    let mut v = vec![];
    loop {
        let l = line(r)?;
        if l.is_empty() {
            return Ok(v);
        }
        if let Some((k, x)) = l.split_once(':') {
            v.push((k.trim().to_ascii_lowercase(), x.trim().to_string()));
        }
    }
}
fn chunked<R: BufRead>(r: &mut R, out: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let l = line(r)?;
        let n = usize::from_str_radix(l.split(';').next().unwrap().trim(), 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "chunk"))?;
        if n == 0 {
            loop {
                if line(r)?.is_empty() {
                    return Ok(());
                }
            }
        }
        let st = out.len();
        out.resize(st + n, 0);
        r.read_exact(&mut out[st..])?;
        line(r)?;
    }
}
#[allow(dead_code)]
pub fn read_req<R: BufRead>(r: &mut R) -> io::Result<Req> {
    let l = line(r)?;
    let mut p = l.split(' ');
    let method = p.next().unwrap_or("").to_string();
    let path = p.next().unwrap_or("").to_string();
    let headers = headers(r)?;
    let mut q = Req {
        method,
        path,
        headers,
        body: vec![],
    };
    if q.h("expect").map_or(false, |v| v.eq_ignore_ascii_case("100-continue")) { /* not used by the peers tested */ }
    if q.h("transfer-encoding").map_or(false, |v| v.contains("chunked")) {
        let mut b = vec![];
        chunked(r, &mut b)?;
        q.body = b;
    } else if let Some(n) = q.h("content-length").and_then(|v| v.parse::<usize>().ok()) {
        let mut b = vec![0; n];
        r.read_exact(&mut b)?;
        q.body = b;
    }
    Ok(q)
}
#[allow(dead_code)]
pub struct Resp {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub close: bool,
}
#[allow(dead_code)]
impl Resp {
    pub fn h(&self, k: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == k).map(|(_, v)| v.as_str())
    }
}
#[allow(dead_code)]
pub struct Client {
    pub addr: String,
    pub conn: Option<(TcpStream, BufReader<TcpStream>)>,
    pub reconnects: u64,
}
#[allow(dead_code)]
impl Client {
    pub fn new(addr: &str) -> Self {
        Client {
            addr: addr.into(),
            conn: None,
            reconnects: 0,
        }
    }
    fn connect(&mut self, timeout_ms: u64) -> io::Result<()> {
        let s = TcpStream::connect(&self.addr)?;
        s.set_nodelay(true)?;
        s.set_read_timeout(Some(std::time::Duration::from_millis(timeout_ms)))?;
        let r = BufReader::with_capacity(65536, s.try_clone()?);
        self.conn = Some((s, r));
        self.reconnects += 1;
        Ok(())
    }
    pub fn send(&mut self, raw: &[u8], timeout_ms: u64) -> io::Result<Resp> {
        let fresh = self.conn.is_none();
        if fresh {
            self.connect(timeout_ms)?;
        }
        match self.once(raw) {
            Ok(r) => {
                if r.close {
                    self.conn = None;
                }
                Ok(r)
            }
            Err(e) => {
                self.conn = None;
                let stale = matches!(
                    e.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                );
                if fresh || !stale {
                    return Err(e);
                }
                self.connect(timeout_ms)?;
                let r = self.once(raw).map_err(|e| {
                    self.conn = None;
                    e
                })?;
                if r.close {
                    self.conn = None;
                }
                Ok(r)
            }
        }
    }
    fn once(&mut self, raw: &[u8]) -> io::Result<Resp> {
        let (s, r) = self.conn.as_mut().unwrap();
        s.write_all(raw)?;
        let l = line(r)?;
        let status: u16 = l
            .split(' ')
            .nth(1)
            .and_then(|x| x.parse().ok())
            .ok_or(io::Error::new(io::ErrorKind::InvalidData, "status"))?;
        let headers = headers(r)?;
        let mut resp = Resp {
            status,
            headers,
            body: vec![],
            close: false,
        };
        resp.close = resp.h("connection").map_or(false, |v| v.eq_ignore_ascii_case("close"));
        if status == 204 || status == 304 {
            return Ok(resp);
        }
        let mut b = vec![];
        if resp.h("transfer-encoding").map_or(false, |v| v.contains("chunked")) {
            chunked(r, &mut b)?;
        } else if let Some(n) = resp.h("content-length").and_then(|v| v.parse::<usize>().ok()) {
            b.resize(n, 0);
            r.read_exact(&mut b)?;
        } else {
            r.read_to_end(&mut b)?;
            resp.close = true;
        }
        resp.body = b;
        Ok(resp)
    }
}
