//! Where the daemon is: a base URL that may be spoken to.

use reqwest::Url;

/// A daemon's address: `https`, or plain `http` to this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
}

/// A URL that is not a daemon's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not a URL.
    #[error("{0:?} is not a URL")]
    NotUrl(String),
    /// Another scheme, or a user, a path, a query or a fragment beside host and port.
    #[error("{0:?} is not of the form https://host:port or http://host:port")]
    Form(String),
    /// Plain http to another machine.
    #[error(
        "{0:?} is plain http to another machine: requests could be read on the way; use https, or --insecure-http"
    )]
    PlainHttp(String),
    /// A target of ours that a URL would spell otherwise.
    #[error("{0:?} is not a path of the daemon's interface")]
    Target(String),
}

impl Endpoint {
    /// Reads a base URL. With `insecure_http`, plain http may go to another machine: requests are signed, but can be read.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn parse(text: &str, insecure_http: bool) -> Result<Self, EndpointError> {
        let base = Url::parse(text).map_err(|_| EndpointError::NotUrl(text.to_owned()))?;
        let plain = match base.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(EndpointError::Form(text.to_owned())),
        };
        let bare = base.username().is_empty()
            && base.password().is_none()
            && base.path() == "/"
            && base.query().is_none()
            && base.fragment().is_none();
        if !bare {
            return Err(EndpointError::Form(text.to_owned()));
        }
        if plain && !insecure_http && !is_loopback(&base) {
            return Err(EndpointError::PlainHttp(text.to_owned()));
        }
        Ok(Self { base })
    }

    /// Host, and port unless it is the scheme's default, as it stands in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Scheme, host and port: `https://custody.example`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The URL of a path with query, which stands in it as given.
    pub(crate) fn url(&self, target: &str) -> Result<Url, EndpointError> {
        let wrong = || EndpointError::Target(target.to_owned());
        let url = self.base.join(target).map_err(|_| wrong())?;
        let spelled = url.query().map_or_else(
            || url.path().to_owned(),
            |query| format!("{}?{query}", url.path()),
        );
        // What is signed is what is sent: no dot segment, no second authority, nothing re-encoded on the way.
        if spelled != target || url.origin() != self.base.origin() || url.fragment().is_some() {
            return Err(wrong());
        }
        Ok(url)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || literal
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for url in [
            "http://127.0.0.1:8480",
            "http://localhost:8480/",
            "http://[::1]:8480",
            "https://custody.example",
        ] {
            assert!(Endpoint::parse(url, false).is_ok(), "{url}");
        }
        for url in [
            "http://custody.example",
            "http://10.0.0.1:8480",
            "http://localhost.evil.example",
            "http://0.0.0.0:8480",
        ] {
            assert_eq!(
                Endpoint::parse(url, false),
                Err(EndpointError::PlainHttp(url.to_owned()))
            );
            assert!(Endpoint::parse(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_base_url_is_scheme_host_and_port() {
        for url in [
            "ftp://localhost",
            "https://user:secret@custody.example",
            "https://custody.example/api",
            "https://custody.example/?a=b",
            "https://custody.example/#a",
        ] {
            assert_eq!(
                Endpoint::parse(url, true),
                Err(EndpointError::Form(url.to_owned()))
            );
        }
        assert!(matches!(
            Endpoint::parse("localhost", true),
            Err(EndpointError::NotUrl(_))
        ));
    }

    #[test]
    fn the_authority_is_that_of_the_host_header() {
        for (url, authority) in [
            ("https://Custody.Example:443", "custody.example"),
            ("https://custody.example:8443", "custody.example:8443"),
            ("http://[::1]:80", "[::1]"),
            ("http://127.0.0.1:8480", "127.0.0.1:8480"),
        ] {
            assert_eq!(Endpoint::parse(url, false).unwrap().authority(), authority);
        }
    }

    #[test]
    fn a_target_is_sent_as_it_is_or_not_at_all() {
        let endpoint = Endpoint::parse("http://localhost:1", false).unwrap();
        let url = endpoint.url("/v1/journal?after=7").unwrap();
        assert_eq!(url.as_str(), "http://localhost:1/v1/journal?after=7");
        for target in [
            "v1",
            "//evil.example/v1",
            "/v1/../healthz",
            "/v1/%2e%2e/x",
            "/v1/a b",
            "/v1#a",
            "https://evil.example/",
        ] {
            assert!(endpoint.url(target).is_err(), "{target}");
        }
    }
}
