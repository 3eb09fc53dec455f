//! Parts of addresses: `"name" <sip:user@host:port;params>;tag=x`.

/// The URI inside an address header value.
#[must_use]
pub fn uri(value: &str) -> &str {
    let outside = after_quotes(value);
    match outside.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        // Without angle brackets every parameter belongs to the header (RFC 3261, 20.10).
        None => outside.split(';').next().unwrap_or(outside),
    }
    .trim()
}

/// A header parameter of an address, outside its angle brackets.
#[must_use]
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let outside = after_quotes(value);
    let parameters = match outside.split_once('>') {
        Some((_, rest)) => rest,
        None => outside.split_once(';').map_or("", |(_, rest)| rest),
    };
    find(parameters, name)
}

/// The dialog tag of a From or To value.
#[must_use]
pub fn tag(value: &str) -> Option<&str> {
    parameter(value, "tag").filter(|tag| !tag.is_empty())
}

/// A parameter of the topmost hop of a Via value; an empty value for one without `=`.
#[must_use]
pub fn via_parameter<'a>(via: &'a str, name: &str) -> Option<&'a str> {
    let first = via.split(',').next().unwrap_or(via);
    find(first.split_once(';').map_or("", |(_, rest)| rest), name)
}

/// A parameter of a URI.
#[must_use]
pub fn uri_parameter<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let before_headers = uri.split('?').next().unwrap_or(uri);
    find(before_headers.split_once(';').map_or("", |(_, rest)| rest), name)
}

/// The user part of a `sip:` URI, or the number of a `tel:` URI; percent escapes undone.
#[must_use]
pub fn user(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let raw = if scheme.eq_ignore_ascii_case("tel") {
        rest.split(';').next()?
    } else {
        rest.split_once('@')?.0.split([':', ';']).next()?
    };
    Some(unescape(raw)).filter(|user| !user.is_empty())
}

/// Host and port of a `sip:` URI; the port only if it is there.
#[must_use]
pub fn host_port(uri: &str) -> Option<(&str, Option<u16>)> {
    let rest = uri.split_once(':')?.1;
    let rest = rest.split_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split([';', '?']).next()?;
    let (host, port) = match rest.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    match port {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => Some((host, None)),
    }
}

/// True if double quotes are closed, angle brackets pair up and hold no white space.
#[must_use]
pub fn is_balanced(value: &str) -> bool {
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for c in value.chars() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => quoted = true,
            '<' if inside => return false,
            '<' => inside = true,
            '>' if !inside => return false,
            '>' => inside = false,
            ' ' | '\t' if inside => return false,
            _ => {}
        }
    }
    !quoted && !inside
}

fn after_quotes(value: &str) -> &str {
    let trimmed = value.trim_start();
    let Some(rest) = trimmed.strip_prefix('"') else { return value };
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return rest.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

fn find<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_addresses() {
        let value = "\"a <b> ;tag=no\" <sip:+1%2055@h.example:5070;transport=tcp>;tag=yes";
        assert_eq!(uri(value), "sip:+1%2055@h.example:5070;transport=tcp");
        assert_eq!(tag(value), Some("yes"));
        assert_eq!(user(uri(value)).as_deref(), Some("+1 55"));
        assert_eq!(host_port(uri(value)), Some(("h.example", Some(5070))));
        assert_eq!(uri_parameter(uri(value), "transport"), Some("tcp"));
        assert_eq!(uri("sip:a@b;tag=1"), "sip:a@b");
        assert_eq!(tag("sip:a@b;tag=1"), Some("1"));
        assert_eq!(user("tel:+15551230000;phone-context=x").as_deref(), Some("+15551230000"));
        assert_eq!(user("sip:host"), None);
        assert_eq!(host_port("sip:a@[::1]:5062"), Some(("::1", Some(5062))));
        assert_eq!(host_port("sip:a@h:70000"), None);
    }

    #[test]
    fn balance() {
        for good in ["<sip:a@b>", "\"x\\\"<\" <sip:a@b>;p=1", "sip:a@b"] {
            assert!(is_balanced(good), "{good}");
        }
        for bad in ["\"x <sip:a@b>", "<sip:a@b", "sip:a@b>", "< sip:a@b>", "<<sip:a@b>>"] {
            assert!(!is_balanced(bad), "{bad}");
        }
    }
}
