// Minimal JSON reader (std only): enough to pull fields out of MCP messages.
#[derive(Debug, Clone)]
pub enum J {
    Null,
    Bool(bool),
    Num(String),
    Str(String),
    Arr(Vec<J>),
    Obj(Vec<(String, J)>),
}
#[allow(dead_code)]
impl J {
    pub fn get(&self, k: &str) -> Option<&J> {
        if let J::Obj(v) = self {
            v.iter().find(|(n, _)| n == k).map(|(_, j)| j)
        } else {
            None
        }
    }
    pub fn path(&self, ks: &[&str]) -> Option<&J> {
        let mut c = self;
        for k in ks {
            c = c.get(k)?;
        }
        Some(c)
    }
    pub fn str(&self) -> Option<&str> {
        if let J::Str(s) = self {
            Some(s)
        } else {
            None
        }
    }
    pub fn int(&self) -> Option<u64> {
        if let J::Num(s) = self {
            s.parse().ok()
        } else {
            None
        }
    }
    pub fn dump(&self) -> String {
        match self {
            J::Null => "null".into(),
            J::Bool(b) => b.to_string(),
            J::Num(n) => n.clone(),
            J::Str(s) => quote(s),
            J::Arr(a) => format!("[{}]", a.iter().map(|x| x.dump()).collect::<Vec<_>>().join(",")),
            J::Obj(o) => format!(
                "{{{}}}",
                o.iter()
                    .map(|(k, v)| format!("{}:{}", quote(k), v.dump()))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        }
    }
}
pub fn quote(s: &str) -> String {
    let mut o = String::with_capacity(s.len() + 2);
    o.push('"');
    for c in s.chars() {
        match c {
            '"' => o.push_str("\\\""),
            '\\' => o.push_str("\\\\"),
            '\n' => o.push_str("\\n"),
            '\r' => o.push_str("\\r"),
            '\t' => o.push_str("\\t"),
            c if (c as u32) < 0x20 => o.push_str(&format!("\\u{:04x}", c as u32)),
            c => o.push(c),
        }
    }
    o.push('"');
    o
}
pub fn parse(s: &str) -> Option<J> {
    let b = s.as_bytes();
    let mut i = 0;
    let v = val(b, &mut i)?;
    Some(v)
}
fn ws(b: &[u8], i: &mut usize) {
    while *i < b.len() && matches!(b[*i], b' ' | b'\n' | b'\r' | b'\t') {
        *i += 1;
    }
}
fn val(b: &[u8], i: &mut usize) -> Option<J> {
    ws(b, i);
    match *b.get(*i)? {
        b'{' => {
            *i += 1;
            let mut v = vec![];
            loop {
                ws(b, i);
                match *b.get(*i)? {
                    b'}' => {
                        *i += 1;
                        return Some(J::Obj(v));
                    }
                    b',' => {
                        *i += 1;
                    }
                    b'"' => {
                        let k = string(b, i)?;
                        ws(b, i);
                        if *b.get(*i)? != b':' {
                            return None;
                        }
                        *i += 1;
                        let x = val(b, i)?;
                        v.push((k, x));
                    }
                    _ => return None,
                }
            }
        }
        b'[' => {
            *i += 1;
            let mut v = vec![];
            loop {
                ws(b, i);
                match *b.get(*i)? {
                    b']' => {
                        *i += 1;
                        return Some(J::Arr(v));
                    }
                    b',' => {
                        *i += 1;
                    }
                    _ => v.push(val(b, i)?),
                }
            }
        }
        b'"' => Some(J::Str(string(b, i)?)),
        b't' => {
            *i += 4;
            Some(J::Bool(true))
        }
        b'f' => {
            *i += 5;
            Some(J::Bool(false))
        }
        b'n' => {
            *i += 4;
            Some(J::Null)
        }
        _ => {
            let st = *i;
            while *i < b.len() && matches!(b[*i], b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
                *i += 1;
            }
            if st == *i {
                return None;
            }
            Some(J::Num(String::from_utf8_lossy(&b[st..*i]).into_owned()))
        }
    }
}
fn string(b: &[u8], i: &mut usize) -> Option<String> {
    *i += 1;
    let mut out: Vec<u8> = vec![];
    loop {
        let c = *b.get(*i)?;
        *i += 1;
        match c {
            b'"' => return String::from_utf8(out).ok(),
            b'\\' => {
                let e = *b.get(*i)?;
                *i += 1;
                match e {
                    b'n' => out.push(b'\n'),
                    b't' => out.push(b'\t'),
                    b'r' => out.push(b'\r'),
                    b'b' => out.push(8),
                    b'f' => out.push(12),
                    b'u' => {
                        let h = std::str::from_utf8(b.get(*i..*i + 4)?).ok()?;
                        *i += 4;
                        let mut cp = u32::from_str_radix(h, 16).ok()?;
                        if (0xd800..0xdc00).contains(&cp) && b.get(*i) == Some(&b'\\') {
                            let h2 = std::str::from_utf8(b.get(*i + 2..*i + 6)?).ok()?;
                            *i += 6;
                            let lo = u32::from_str_radix(h2, 16).ok()?;
                            cp = 0x10000 + ((cp - 0xd800) << 10) + (lo - 0xdc00);
                        }
                        let mut buf = [0; 4];
                        out.extend(char::from_u32(cp)?.encode_utf8(&mut buf).as_bytes());
                    }
                    x => out.push(x),
                }
            }
            x => out.push(x),
        }
    }
}
