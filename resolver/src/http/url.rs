//! Addresses of resolvers.

use crate::Error;
use std::fmt;

/// Where a resolver is, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url(String);

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
        Ok(Url(format!("{scheme}://{host}{path}")))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
