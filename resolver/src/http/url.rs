//! Addresses of resolvers.

use crate::Error;
use std::fmt;
use std::net::IpAddr;

/// Where a resolver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// As requests begin, without a slash at its end.
    text: String,
    /// The same for all ways to write the address of one resolver.
    identity: (String, u16, String),
}

impl Url {
    /// Reads `http://host`, `https://host:port/path` and the like.
    pub(super) fn parse(text: &str) -> Result<Url, Error> {
        let invalid = |url: &str, reason: &str| Error::InvalidUrl {
            url: crate::error::shortened(url),
            reason: reason.into(),
        };
        if text.contains('@') {
            return Err(invalid(
                "what was given",
                "it has an @, and resolvers take no user and no password",
            ));
        }
        // Else these are parts of every request's target, or dropped.
        if text.contains(['?', '#']) {
            return Err(invalid(text, "leave away what begins with ? or #"));
        }
        let secure = match text.split_once("://") {
            Some(("http", _)) => false,
            Some(("https", _)) => true,
            _ => return Err(invalid(text, "it begins with http:// or https://")),
        };
        if secure && !cfg!(feature = "tls") {
            return Err(invalid(
                text,
                "this program was built without HTTPS, the feature tls",
            ));
        }
        let uri: ureq::http::Uri = text
            .parse()
            .map_err(|error: ureq::http::uri::InvalidUri| invalid(text, &error.to_string()))?;
        let authority = uri.authority().filter(|authority| {
            let whole = authority.as_str().len() == authority.host().len();
            !authority.host().is_empty() && (whole || authority.port_u16().is_some())
        });
        let Some(authority) = authority else {
            return Err(invalid(
                text,
                "behind :// is a host, and a port where need be",
            ));
        };
        let scheme = if secure { "https" } else { "http" };
        let host = authority.as_str().to_ascii_lowercase();
        let path = uri.path().trim_end_matches('/');
        let port = if secure { 443 } else { 80 };
        let identity = (
            identity(authority.host()),
            authority.port_u16().unwrap_or(port),
            path.to_owned(),
        );
        let text = format!("{scheme}://{host}{path}");
        Ok(Url { text, identity })
    }

    /// Whether both lead to one resolver, as far as an address can tell. It would count twice otherwise.
    pub(super) fn is_same(&self, other: &Url) -> bool {
        self.identity == other.identity
    }
}

/// One text for a host, however it is written: all loopback addresses are this machine.
fn identity(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() || address.is_unspecified() => "localhost".into(),
        Ok(address) => address.to_string(),
        Err(_) if host.ends_with(".localhost") => "localhost".into(),
        Err(_) => host.to_owned(),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (text, form) in [
            ("http://localhost:8480", "http://localhost:8480"),
            ("http://Names.Example/", "http://names.example"),
            ("http://[::1]:8480", "http://[::1]:8480"),
            (
                "http://names.example/Atname//",
                "http://names.example/Atname",
            ),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), form);
        }
        let secure = Url::parse("https://names.example");
        assert_eq!(secure.is_ok(), cfg!(feature = "tls"), "{secure:?}");
    }

    #[test]
    fn ways_to_write_one_address_are_the_same() {
        let same = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| Url::parse(text).unwrap());
            assert_eq!(one.is_same(&other), other.is_same(&one));
            one.is_same(&other)
        };
        for (one, other) in [
            ("http://localhost:8480", "http://127.0.0.1:8480"),
            ("http://localhost:8480", "http://[::1]:8480"),
            ("http://127.0.0.1:8480", "http://127.0.0.2:8480/"),
            ("http://LOCALHOST.:8480", "http://[::ffff:127.0.0.1]:8480"),
            ("http://names.example", "http://names.example:80"),
            ("http://names.example", "http://Names.Example/"),
            ("http://names.example/a", "http://names.example.:80/a/"),
            ("http://[2001:db8::1]:1", "http://[2001:0db8:0:0::1]:1"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("http://localhost:8480", "http://localhost:8481"),
            ("http://localhost", "http://localhost:8480"),
            ("http://names.example/a", "http://names.example/A"),
            ("http://names.example", "http://other.example"),
            ("http://10.0.0.1", "http://10.0.0.2"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, word) in [
            ("", "begins with http://"),
            ("names.example", "begins with http://"),
            ("HTTP://names.example", "begins with http://"),
            ("ftp://names.example", "begins with http://"),
            ("http://", "http://"),
            ("http://:8480", "host"),
            ("http://names.example:", "port"),
            ("http://names.example:99999", "port"),
            ("http://names.example?depth=1", "?"),
            ("http://names.example/#top", "#"),
            ("http://names example", "http://names example"),
            ("http://names.example/a b", "http://names.example/a b"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(matches!(error, Error::InvalidUrl { .. }), "{error:?}");
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
        let error = Url::parse("http://me:hunter2@names.example").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
