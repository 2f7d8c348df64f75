//! No page fetches anything from elsewhere, leads there, or sends anything there.

use std::path::Path;

/// Attributes whose value a browser fetches, opens or sends to.
const LEADING: [&str; 14] = [
    "src",
    "srcset",
    "href",
    "action",
    "formaction",
    "data",
    "poster",
    "ping",
    "background",
    "cite",
    "manifest",
    "codebase",
    "longdesc",
    "archive",
];
/// What fetches or leads elsewhere by other means.
const NEVER: [&str; 7] = [
    "<base",
    "<iframe",
    "<object",
    "<embed",
    "http-equiv",
    "@import",
    "url(",
];

/// What of a page leads elsewhere. A value may be a path of this very console, a part of the page, or the icon, which is in
/// the page itself; in a template it may be put in later, and the rendered page tells.
pub(super) fn elsewhere(html: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for never in NEVER {
        if html.contains(never) {
            found.push(never.to_owned());
        }
    }
    for name in LEADING {
        for opening in [format!(" {name}="), format!(":{name}=")] {
            for value in html.split(opening.as_str()).skip(1) {
                let value = value.strip_prefix('"').unwrap_or("not in quotes: ");
                let value = value.split('"').next().unwrap();
                let here = value.starts_with('/') && !value.starts_with("//");
                let within = ["#", "{{", "data:image/svg+xml,"];
                if !(here && !value.contains('\\') || within.iter().any(|w| value.starts_with(w))) {
                    found.push(format!("{name}={value}"));
                }
            }
        }
    }
    found
}

#[test]
fn no_template_names_another_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut read = 0;
    for file in folder.read_dir().unwrap() {
        let path = file.unwrap().path();
        let found = elsewhere(&std::fs::read_to_string(&path).unwrap());
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        read += 1;
    }
    assert!(read > 20, "{read} templates");
}

#[test]
fn what_leads_elsewhere_is_found() {
    for html in [
        "<img src=\"https://example.org/x.png\">",
        "<script src=\"//example.org/x.js\"></script>",
        "<a href=\"javascript:alert(1)\">",
        "<a href='https://example.org'>",
        "<use xlink:href=\"https://example.org/x.svg#y\"/>",
        "<form action=\"https://example.org\">",
        "<style>@import \"x.css\"</style>",
        "<p style=\"background: url(x.png)\">",
        "<a href=\"/\\example.org\">",
        "<meta http-equiv=\"refresh\" content=\"0\">",
    ] {
        assert!(!elsewhere(html).is_empty(), "{html}");
    }
    for html in [
        "<a href=\"/console/queue\">",
        "<a href=\"#main\">",
        "<p data-src=\"x\">",
    ] {
        assert!(elsewhere(html).is_empty(), "{html}");
    }
}
