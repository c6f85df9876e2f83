//! Which form of an answer a request prefers (RFC 9110, 12.5.1).

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// `application/json`.
    Json,
    /// `text/plain`: the key and a newline.
    Text,
}

impl Format {
    /// Reads the value of `?format=`.
    pub(crate) fn parse(text: &str) -> Option<Format> {
        match text {
            "json" => Some(Format::Json),
            "text" => Some(Format::Text),
            _ => None,
        }
    }

    /// The same value.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Text => "text",
        }
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Text => "text/plain; charset=utf-8",
        }
    }

    /// The form that the lines of `Accept` like best. JSON wins where they like both as much, and
    /// where they name neither: a browser that asks for HTML is better served with JSON than with
    /// a refusal, and the RFC leaves it to the server.
    pub(crate) fn negotiate<'a>(lines: impl Iterator<Item = &'a str>) -> Format {
        let mut json = Weight::default();
        let mut text = Weight::default();
        for range in lines.flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            // A weight that cannot be read makes a range that cannot be read, which is none.
            let Some(quality) = parts
                .find_map(|part| {
                    let (name, value) = part.split_once('=')?;
                    name.trim_end()
                        .eq_ignore_ascii_case("q")
                        .then(|| thousandths(value.trim_start()))
                })
                .unwrap_or(Some(1000))
            else {
                continue;
            };
            json.consider(media, ["application/json", "application/*", "*/*"], quality);
            text.consider(media, ["text/plain", "text/*", "*/*"], quality);
        }
        if text.quality > json.quality {
            Format::Text
        } else {
            Format::Json
        }
    }
}

/// What the ranges so far say of one media type: the most specific of them counts.
#[derive(Default)]
struct Weight {
    specific: usize,
    quality: u16,
}

impl Weight {
    fn consider(&mut self, media: &str, from_specific: [&str; 3], quality: u16) {
        let rank = from_specific
            .iter()
            .rev()
            .position(|range| media.eq_ignore_ascii_case(range));
        if let Some(specific) = rank.map(|rank| rank + 1).filter(|s| *s >= self.specific) {
            // Of equals, the one that likes it more.
            self.quality = match specific > self.specific {
                true => quality,
                false => quality.max(self.quality),
            };
            self.specific = specific;
        }
    }
}

/// A weight as RFC 9110 writes it: 0 to 1 with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(line: &str) -> Format {
        Format::negotiate([line].into_iter())
    }

    #[test]
    fn json_wins_ties_and_whatever_names_neither() {
        for line in [
            "",
            "*/*",
            "text/html",
            "application/json",
            "text/plain, application/json",
            "text/plain;q=0.5, application/json;q=0.5",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;q=0",
            "text/plain;q=0.9, */*",
            "text/plain;q=0.3, application/*;q=0.4",
            "application/json;q=0",
            "text/plain;q=2",
            "text/plain;q=0.1234",
            "text/plain;q=-1",
            "text/plain;q=",
            ",;,;q=1,=",
        ] {
            assert_eq!(negotiate(line), Format::Json, "{line:?}");
        }
    }

    #[test]
    fn text_where_it_is_liked_better() {
        for line in [
            "text/plain",
            "TEXT/Plain; charset=utf-8",
            "text/*",
            "text/plain, application/json;q=0.999",
            "text/plain;q=0.001",
            "text/plain ; Q=0.5 , application/json ; q=0.4",
            "*/*;q=0.1, text/plain;q=0.2",
            "application/json;q=0, */*",
            "application/json;q=0.2, application/*, text/plain;q=0.3",
        ] {
            assert_eq!(negotiate(line), Format::Text, "{line:?}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = ["application/json;q=0.1", "text/plain"];
        assert_eq!(Format::negotiate(lines.into_iter()), Format::Text);
    }
}
